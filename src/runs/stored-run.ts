/** Reads from the store alone the state of a run, of an evaluation without training, or of the judging of a file. */
import type { RunOwner } from './claim-run.ts';
import {
  readAnyResolved,
  type AnyResolved,
  type ResolvedConfiguration,
  type ResolvedEvaluation,
  type ResolvedPairsJudging,
} from './open-run.ts';
import { runUris } from './run-layout.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { claimKey, type Claim } from '../store/claims.ts';
import type { Manifest } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { toReference } from '../store/artifact.ts';
import { runNameSchema } from '../config/fields.ts';
import type { ConfigurationKind } from '../config/configuration-kind.ts';
import { runFingerprintInputs } from '../config/fingerprint-inputs.ts';
import { type PairsJudgingResult, pairsJudgingResultSchema } from '../api/pairs-judging-result.ts';
import {
  judgeEvaluationResultSchema,
  runResultSchema,
  type IterationSummary,
  type JudgeEvaluationResult,
  type RunResult,
} from '../api/result.ts';
import type { EndStatus } from '../api/run-status.ts';
import { readRunState, type RunState } from './run-state.ts';

interface Stored {
  readonly runName: string;
  /** The latest holder of the claim on the folder; undefined if there is no claim. */
  readonly owner: Claim<RunOwner> | undefined;
  readonly state: RunState | undefined;
  /** The end of its newest start; undefined while it is open, or if it ended without recording its state. */
  readonly endStatus: EndStatus | undefined;
  /** One row for each evaluated judge, as recorded by the newest start. */
  readonly judges: readonly IterationSummary[];
  /** The selected iteration, or the best one so far. */
  readonly best: number;
}

/** A run or an evaluation: it has benchmarks, and so judges with figures. */
export interface StoredEvaluatedRun extends Stored {
  readonly kind: Exclude<ConfigurationKind, 'judging'>;
  /** The latest configuration; undefined if the run ended before it was resolved. */
  readonly resolved: ResolvedConfiguration | ResolvedEvaluation | undefined;
  readonly result: RunResult | JudgeEvaluationResult | undefined;
}

/** The judging of a file of pairs, which has verdicts but no judges with figures. */
export interface StoredJudging extends Stored {
  readonly kind: 'judging';
  readonly resolved: ResolvedPairsJudging | undefined;
  readonly result: PairsJudgingResult | undefined;
}

export type StoredRun = StoredEvaluatedRun | StoredJudging;

/** The names of all runs, evaluations and judgings in a store; none if the folder doesn't exist. */
export async function storedRunNames(store: ArtifactStore): Promise<string[]> {
  const names = (await store.names('')).filter(isRunName);
  const isRun = await Promise.all(names.map((name) => hasRun(store, name)));
  return names.filter((_, index) => isRun[index]);
}

/** Returns whether a text is a valid name of a run. A valid name never leads out of the store. */
export function isRunName(name: string): boolean {
  return runNameSchema.safeParse(name).success;
}

async function hasRun(store: ArtifactStore, name: string): Promise<boolean> {
  return (await store.exists(runUris.owner(name))) || (await store.exists(runUris.configurations(name)));
}

/** Undefined if the store has no such run. Files that can't be read are ignored. */
export async function readStoredRun(store: ArtifactStore, runName: string): Promise<StoredRun | undefined> {
  if (!isRunName(runName) || !(await hasRun(store, runName))) return undefined;
  const owner = await store.latestClaim<RunOwner>(runUris.owner(runName));
  const state = await readRunState(store, runName);
  const claimedKind = owner?.holder?.fingerprint['kind'];
  const kind = (typeof claimedKind === 'string' ? KIND_OF_CLAIM[claimedKind] : undefined) ?? 'run';
  const isOfNewest = state !== undefined && state.claim === (owner?.epoch ?? 0);
  const configuration = await newestConfiguration(store, runName, owner, isOfNewest ? state : undefined);
  const ending = (result: object | undefined) =>
    endStatusOf(store, runName, owner, isOfNewest ? state : undefined, result);
  if (kind === 'judging') {
    const result = await readStoredResult(store, runName, (json) => pairsJudgingResultSchema.parse(json));
    const judging = { ...{ runName, kind, owner, state, result }, endStatus: await ending(result) };
    const resolved = configuration?.kind === 'judging' ? configuration.resolved : undefined;
    return { ...judging, resolved, judges: [], best: 0 };
  }
  const resolved = configuration?.kind === 'judging' ? undefined : configuration?.resolved;
  const result = await readStoredResult(store, runName, (json) => {
    const asRun = runResultSchema.safeParse(json);
    return asRun.success ? asRun.data : judgeEvaluationResultSchema.parse(json);
  });
  const judges = isOfNewest || result === undefined ? (state?.iterations ?? []) : judgesIn(result);
  const best = isOfNewest || result === undefined ? (state?.best ?? 0) : 'best' in result ? result.best : 0;
  return { runName, kind, owner, resolved, state, result, endStatus: await ending(result), judges, best };
}

/**
 * Determines the kind from the claim on the folder (src/activities/plan-standalone.ts); the claim of a run that
 * trains names no kind.
 */
const KIND_OF_CLAIM: Readonly<Record<string, ConfigurationKind>> = {
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
  const text = await store.readText(runUris.result(runName));
  if (text === undefined) return undefined;
  try {
    return read(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/**
 * Determines the end from the state that the newest start has written; without a state, by whether the result is
 * newer than the start.
 */
async function endStatusOf(
  store: ArtifactStore,
  runName: string,
  owner: Claim<RunOwner> | undefined,
  state: RunState | undefined,
  result: object | undefined,
): Promise<EndStatus | undefined> {
  switch (state?.status) {
    case 'failed':
    case 'cancelled':
      return state.status;
    case 'completed':
      // The result is written immediately after the state.
      return result === undefined ? undefined : 'completed';
    case 'running':
    case 'paused':
      return undefined;
    case undefined: {
      if (result === undefined) return undefined;
      if (owner === undefined) return 'completed';
      const keys = [claimKey(runUris.owner(runName), owner.epoch), runUris.result(runName)];
      const [claimed, ended] = await Promise.all(keys.map((key) => store.objects.head(key)));
      return claimed !== undefined && ended !== undefined && ended.modifiedAt >= claimed.modifiedAt
        ? 'completed'
        : undefined;
    }
  }
}

async function newestConfiguration(
  store: ArtifactStore,
  runName: string,
  owner: Claim<RunOwner> | undefined,
  state: RunState | undefined,
): Promise<AnyResolved | undefined> {
  const uri = runUris.configurations(runName);
  const names = await store.names(uri);
  const uris = names.filter((name) => /^[0-9a-f]+$/.test(name)).map((name) => `${uri}/${name}`);
  const found: { manifest: Manifest; configuration: AnyResolved; isOwners: boolean }[] = [];
  for (const each of state === undefined ? uris : [state.configuration]) {
    try {
      const manifest = await store.readManifest(each);
      if (manifest === undefined) continue;
      const configuration = await readAnyResolved(store, toReference(manifest));
      found.push({ manifest, configuration, isOwners: isClaimed(owner, configuration) });
    } catch {
      // Skips a damaged configuration: another one may be intact.
    }
  }
  const newestLast = found.sort((a, b) => (a.manifest.createdAt < b.manifest.createdAt ? -1 : 1));
  return (newestLast.findLast(({ isOwners }) => isOwners) ?? newestLast.at(-1))?.configuration;
}

/** True if the folder was last claimed for this configuration. */
function isClaimed(owner: Claim<RunOwner> | undefined, stored: AnyResolved): boolean {
  if (owner?.holder === undefined || stored.kind !== 'run') return false;
  return (
    canonicalJson(runFingerprintInputs(stored.resolved.configuration)) ===
    canonicalJson(owner.holder.fingerprint)
  );
}
