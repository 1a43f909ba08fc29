/** Finds the figures that an evaluation is compared with. */
import { type DriftConfiguration, PREVIOUS } from '../config/drift.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { splitDatedName } from '../platform/dated-name.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { EvaluatedJudge } from './compare-runs.ts';
import type { ResolvedEvaluation } from './open-run.ts';
import { isRunName, readStoredRun, type StoredEvaluatedRun } from './stored-run.ts';

/** An evaluation that looks for earlier figures. */
export interface CurrentEvaluation {
  readonly runName: string;
  readonly resolved: ResolvedEvaluation;
}

/** The judge with the earlier figures, or the reason why there is none. */
type EarlierJudge = EvaluatedJudge | { readonly missing: string };

/** Finds the judge that `drift.compareWith` names. */
export async function findEarlierJudge(
  store: ArtifactStore,
  { compareWith }: DriftConfiguration,
  current: CurrentEvaluation,
): Promise<EarlierJudge> {
  return compareWith === PREVIOUS
    ? ((await findPrevious(store, current)) ?? {
        missing: `there is no complete earlier evaluation ${splitDatedName(current.runName).series} of this judge`,
      })
    : findNamedJudge(store, compareWith);
}

/** Finds the best judge of a run, or that of an evaluation. */
export async function findNamedJudge(store: ArtifactStore, runName: string): Promise<EarlierJudge> {
  const run = await readStoredRun(store, runName);
  if (run === undefined)
    return { missing: `there is no run or evaluation ${runName} in the store ${store.address}` };
  if (run.kind === 'judging') return { missing: `${runName} judges a file: it has no figures on benchmarks` };
  return bestJudge(run) ?? { missing: `${runName} has not evaluated a judge yet` };
}

function bestJudge(run: StoredEvaluatedRun): EvaluatedJudge | undefined {
  const judge = run.judges.find(({ iteration }) => iteration === run.best);
  return judge && { run, judge };
}

/** Finds the last complete evaluation of the same series and the same judge before this one. */
async function findPrevious(
  store: ArtifactStore,
  { runName, resolved }: CurrentEvaluation,
): Promise<EvaluatedJudge | undefined> {
  const { series, at } = splitDatedName(runName);
  const earlier = (await store.names(''))
    .filter(isRunName)
    .map((name) => ({ name, ...splitDatedName(name) }))
    .filter((other) => other.series === series && other.at < at)
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  for (const { name } of earlier) {
    const run = await readStoredRun(store, name);
    if (run?.kind !== 'evaluation' || run.result === undefined) continue;
    if (run.resolved !== undefined && isSameJudge(run.resolved, resolved)) return bestJudge(run);
  }
  return undefined;
}

/**
 * Returns whether two evaluations name the same judge: the same checkpoint, or the same reference such as `run:<name>/latest`, whose
 * checkpoint changes; and at an existing endpoint the same model.
 */
function isSameJudge(a: StoredEvaluatedRun['resolved'] & object, b: ResolvedEvaluation): boolean {
  const [before, now] = [a, b].map(judgeNames);
  return before?.model === now?.model && before?.names.some((name) => now?.names.includes(name)) === true;
}

function judgeNames(resolved: StoredEvaluatedRun['resolved'] & object) {
  const { models, serving } = resolved.configuration;
  const reference = 'judgeReference' in resolved ? resolved.judgeReference : undefined;
  return {
    names: [models.seed.checkpoint, ...(reference === undefined ? [] : [reference])],
    model: servingDriverOf(serving).needsMachine ? undefined : serving.servedModelName,
  };
}
