/** What the store alone tells of a run, of an evaluation without training, or of the judging of a file. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Owner } from '../activities/claim-run.ts';
import {
  asJudging,
  runUris,
  type ResolvedConfiguration,
  type ResolvedEvaluation,
  type ResolvedJudging,
} from '../activities/open-run.ts';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { newestClaim, type Claim } from '../artifacts/claim.ts';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import type { Manifest } from '../artifacts/reference.ts';
import { referenceTo, type ArtifactStore } from '../artifacts/store.ts';
import { runName as runNameSchema } from '../config/fields.ts';
import type { Kind } from '../config/kind.ts';
import { meaningOf } from '../config/meaning.ts';
import { type JudgingResult, judgingResultSchema } from '../contract/judging-result.ts';
import {
  judgeEvaluationResultSchema,
  runResultSchema,
  type IterationSummary,
  type JudgeEvaluationResult,
  type RunResult,
} from '../contract/result.ts';
import { readRunState, type RunState } from './state.ts';

/** How a run ended, by what stands in the store. */
export type Ending = 'finished' | 'failed' | 'cancelled';

interface Stored {
  readonly runName: string;
  /** Whoever has claimed the folder last; undefined where nobody has. */
  readonly owner: Claim<Owner> | undefined;
  readonly state: RunState | undefined;
  /** How its newest start ended; undefined while it is under way, or was left without a word. */
  readonly ended: Ending | undefined;
  /** One row for each judge that was evaluated, as its newest start has told. */
  readonly judges: readonly IterationSummary[];
  /** The iteration that was chosen, or is the best so far. */
  readonly best: number;
}

/** What was started with benchmarks, and so has judges with figures. */
export interface StoredEvaluating extends Stored {
  readonly kind: Exclude<Kind, 'judging'>;
  /** What it was started with last; undefined where it came to an end before that was fixed. */
  readonly resolved: ResolvedConfiguration | ResolvedEvaluation | undefined;
  readonly result: RunResult | JudgeEvaluationResult | undefined;
}

/** The judging of a file of pairs: it has verdicts, and no judges with figures. */
export interface StoredJudging extends Stored {
  readonly kind: 'judging';
  readonly resolved: ResolvedJudging | undefined;
  readonly result: JudgingResult | undefined;
}

export type StoredRun = StoredEvaluating | StoredJudging;

/** The names of all runs, evaluations and judgings in a store; none where there is no such folder. */
export async function storedRunNames(store: ArtifactStore): Promise<string[]> {
  const entries = existsSync(store.root) ? await readdir(store.root, { withFileTypes: true }) : [];
  return entries
    .map(({ name }) => name)
    .filter((name) => isRunName(name) && isRunFolder(store, name))
    .sort();
}

/** Whether a text may name a run: nothing that does leads out of the store. */
export function isRunName(name: string): boolean {
  return runNameSchema.safeParse(name).success;
}

function isRunFolder(store: ArtifactStore, name: string): boolean {
  return [runUris.owner(name), runUris.configurations(name)].some((uri) => existsSync(store.path(uri)));
}

/** Undefined where the store has no such run. What is there and can't be read is passed over. */
export async function readStoredRun(store: ArtifactStore, runName: string): Promise<StoredRun | undefined> {
  if (!isRunName(runName) || !isRunFolder(store, runName)) return undefined;
  const owner = await newestClaim<Owner>(store.path(runUris.owner(runName))).catch(() => undefined);
  const state = await readRunState(store, runName);
  const meant = owner?.holder.meaning['kind'];
  const kind = (typeof meant === 'string' ? KIND_OF_MEANING[meant] : undefined) ?? 'run';
  const isOfNewest = state !== undefined && state.claim === (owner?.epoch ?? 0);
  const resolved = await newestConfiguration(store, runName, owner, isOfNewest ? state : undefined);
  const ending = (result: object | undefined) =>
    endingOf(store, runName, owner, isOfNewest ? state : undefined, result);
  if (kind === 'judging') {
    const result = await readStoredResult(store, runName, (json) => judgingResultSchema.parse(json));
    const judging = { ...{ runName, kind, owner, state, result }, ended: await ending(result) };
    return { ...judging, resolved: resolved && asJudging(resolved), judges: [], best: 0 };
  }
  const result = await readStoredResult(store, runName, (json) => {
    const asRun = runResultSchema.safeParse(json);
    return asRun.success ? asRun.data : judgeEvaluationResultSchema.parse(json);
  });
  const judges = isOfNewest || result === undefined ? (state?.iterations ?? []) : judgesIn(result);
  const best = isOfNewest || result === undefined ? (state?.best ?? 0) : 'best' in result ? result.best : 0;
  return { runName, kind, owner, resolved, state, result, ended: await ending(result), judges, best };
}

/** By what a folder was claimed for (src/activities/plan-alone.ts); a run that trains names no kind. */
const KIND_OF_MEANING: Readonly<Record<string, Kind>> = {
  'judge-evaluation': 'evaluation',
  'pairs-judging': 'judging',
};

function judgesIn(result: RunResult | JudgeEvaluationResult): readonly IterationSummary[] {
  if ('iterations' in result) return result.iterations;
  const { model, evaluations, counts, seconds } = result;
  return [{ iteration: 0, model, evaluations, counts, seconds: { evaluateJudge: seconds } }];
}

async function readStoredResult<Result>(
  store: ArtifactStore,
  runName: string,
  read: (json: unknown) => Result,
): Promise<Result | undefined> {
  const text = await readTextIfThere(store.path(runUris.result(runName)));
  if (text === undefined) return undefined;
  try {
    return read(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** By the state that the newest start has written; without one, by whether the result is newer than the start. */
async function endingOf(
  store: ArtifactStore,
  runName: string,
  owner: Claim<Owner> | undefined,
  state: RunState | undefined,
  result: object | undefined,
): Promise<Ending | undefined> {
  switch (state?.status) {
    case 'failed':
    case 'cancelled':
      return state.status;
    case 'completed':
      // The result is written right after.
      return result === undefined ? undefined : 'finished';
    case 'running':
    case 'paused':
      return undefined;
    case undefined: {
      if (result === undefined) return undefined;
      if (owner === undefined) return 'finished';
      const claim = join(store.path(runUris.owner(runName)), `${String(owner.epoch).padStart(6, '0')}.json`);
      const [claimed, ended] = await Promise.all(
        [claim, store.path(runUris.result(runName))].map((file) => stat(file)),
      );
      return claimed !== undefined && ended !== undefined && ended.mtimeMs >= claimed.mtimeMs
        ? 'finished'
        : undefined;
    }
  }
}

async function newestConfiguration(
  store: ArtifactStore,
  runName: string,
  owner: Claim<Owner> | undefined,
  state: RunState | undefined,
): Promise<ResolvedConfiguration | undefined> {
  const uri = runUris.configurations(runName);
  const names = existsSync(store.path(uri)) ? await readdir(store.path(uri)) : [];
  const whole = names.filter((name) => /^[0-9a-f]+$/.test(name)).map((name) => `${uri}/${name}`);
  const found: { manifest: Manifest; resolved: ResolvedConfiguration; isOwners: boolean }[] = [];
  for (const each of state === undefined ? whole : [state.configuration]) {
    try {
      const manifest = await store.manifest(each);
      if (manifest === undefined) continue;
      const [resolved] = await store.records<ResolvedConfiguration>(referenceTo(manifest));
      if (resolved !== undefined) found.push({ manifest, resolved, isOwners: isMeantBy(owner, resolved) });
    } catch {
      // A damaged one: another may do.
    }
  }
  const newestLast = found.sort((a, b) => (a.manifest.madeAt < b.manifest.madeAt ? -1 : 1));
  return (newestLast.findLast(({ isOwners }) => isOwners) ?? newestLast.at(-1))?.resolved;
}

function isMeantBy(owner: Claim<Owner> | undefined, { configuration }: ResolvedConfiguration): boolean {
  if (owner === undefined || !('fineTuning' in configuration)) return false;
  return canonicalJson(meaningOf(configuration)) === canonicalJson(owner.holder.meaning);
}
