import type { ArtifactStore } from '../store/artifact-store.ts';
import { toStoreCheckpoint } from './find-checkpoint.ts';
import { JUDGE_FILE, parseJudgeFile } from '../api/judge-file.ts';
import { prunedModelMessage } from '../models/training/pruned-model.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { runUris } from './run-layout.ts';
import type { RunResult } from '../api/result.ts';
import { suggestNames } from '../platform/name-suggestions.ts';
import { storedRunNames } from './stored-run.ts';
import { formatJudgeReference, JUDGE_REFERENCE_FORMS, parseJudgeReference } from './judge-reference.ts';

/** One of a run's judges. */
export interface RunJudge {
  readonly run: string;
  /** The iteration of the judge; 0 is the seed model. */
  readonly iteration: number;
  readonly checkpoint: string;
}

/**
 * Finds the judge of a reference: the last one that the run has trained, the best one (while the run is open, the best one so
 * far), or that of an iteration. Undefined for any other checkpoint.
 * @throws Error that says which run or judge does not exist
 */
export async function resolveJudgeReference(
  store: ArtifactStore,
  checkpoint: string,
): Promise<RunJudge | undefined> {
  if (!checkpoint.startsWith('run:')) return undefined;
  const reference = parseJudgeReference(checkpoint);
  if (reference === undefined)
    throw new Error(`${JSON.stringify(checkpoint)} is not a judge of a run: write ${JUDGE_REFERENCE_FORMS}`);
  const { runName: run, which } = reference;
  if (!(await store.exists(run))) {
    const near = suggestNames(run, await storedRunNames(store)).map((name) => JSON.stringify(name));
    throw new Error(
      `no run ${JSON.stringify(run)} in the store ${store.address}` +
        (near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`),
    );
  }
  if (which === 'best') return bestJudge(store, run);
  return which === 'latest' ? latestJudge(store, run) : judgeOfIteration(store, run, which);
}

/** The checkpoint of a reference to a run's judge; any other checkpoint is returned unchanged. */
export async function resolveJudgeCheckpoint(store: ArtifactStore, checkpoint: string): Promise<string> {
  return (await resolveJudgeReference(store, checkpoint))?.checkpoint ?? checkpoint;
}

async function bestJudge(store: ArtifactStore, run: string): Promise<RunJudge> {
  const text = await store.readText(runUris.result(run));
  const { iterations = [], best } = parseIfIntact<Partial<RunResult>>(text) ?? {};
  const chosen = iterations.find(({ iteration }) => iteration === best);
  if (chosen !== undefined) return { run, iteration: chosen.iteration, checkpoint: chosen.model.checkpoint };
  const soFar = await bestExportedJudge(store, run);
  if (soFar === undefined)
    throw new Error(
      `the run ${run} has not chosen its best judge yet: ${formatJudgeReference(run, 'latest')} is the last one so far`,
    );
  return trainedJudgeAt(store, run, soFar);
}

/** The iteration of the best judge that an open run has exported. */
async function bestExportedJudge(store: ArtifactStore, run: string): Promise<number | undefined> {
  const text = await store.readText(`${runUris.modelFolder(run)}/${JUDGE_FILE}`);
  const content = parseIfIntact(text);
  return content === undefined ? undefined : parseJudgeFile(content, JUDGE_FILE).iteration;
}

/** The value of a JSON file; undefined if there is none, or a crash has truncated it. */
function parseIfIntact<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

async function latestJudge(store: ArtifactStore, run: string): Promise<RunJudge> {
  const latest = (await trainedIterations(store, run)).at(-1);
  if (latest === undefined) throw new Error(`the run ${run} has not trained a judge yet`);
  return trainedJudgeAt(store, run, latest);
}

async function judgeOfIteration(store: ArtifactStore, run: string, iteration: number): Promise<RunJudge> {
  const trained = await trainedIterations(store, run);
  if (trained.includes(iteration)) return trainedJudgeAt(store, run, iteration);
  const judges = trained.length === 0 ? 'none yet' : trained.map((each) => `M_${each}`).join(', ');
  throw new Error(
    iteration === 0
      ? `M_0 of ${run} is its seed model: give the checkpoint of that model`
      : `the run ${run} has not trained M_${iteration}; it has trained ${judges}`,
  );
}

/** The trained iterations in order, including those whose weights were deleted. */
async function trainedIterations(store: ArtifactStore, run: string): Promise<number[]> {
  const names = await store.names(run);
  const iterations = names.map((name) => Number(/^iteration-([1-9]\d*)$/.exec(name)?.[1] ?? 0));
  const trained: number[] = [];
  for (const iteration of iterations.filter((each) => each > 0).sort((a, b) => a - b))
    if ((await readStoredTraining(store, runUris.training(run, iteration))) !== undefined)
      trained.push(iteration);
  return trained;
}

async function trainedJudgeAt(store: ArtifactStore, run: string, iteration: number): Promise<RunJudge> {
  const uri = `${runUris.training(run, iteration)}/model`;
  const pruned = await prunedModelMessage(store, uri);
  if (pruned !== undefined) throw new Error(pruned);
  return { run, iteration, checkpoint: toStoreCheckpoint(uri) };
}
