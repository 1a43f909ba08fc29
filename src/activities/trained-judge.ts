import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { storedCheckpoint } from '../config/checkpoint.ts';
import { JUDGE_FILE, readJudge } from '../contract/judge-file.ts';
import { freedMessage } from '../training/freed-model.ts';
import { readResult } from '../training/model-damage.ts';
import { runUris } from './open-run.ts';
import type { RunResult } from './types.ts';

const REFERENCE = /^run:(?<run>[A-Za-z0-9][\w.-]*)\/(?<which>newest|best|\d+)$/;

/** One of a run's judges. */
export interface RunJudge {
  readonly run: string;
  /** 0 is the seed model. */
  readonly iteration: number;
  readonly checkpoint: string;
}

/**
 * The judge that `run:<name>/newest` (the last one that the run has trained, under way or ended), `run:<name>/best` (the
 * one that it has chosen; while it is under way, the best one so far) or `run:<name>/2` (M_2) means now; undefined for any
 * other checkpoint.
 * @throws Error that says which run or judge isn't there
 */
export async function judgeOfRun(store: ArtifactStore, checkpoint: string): Promise<RunJudge | undefined> {
  if (!checkpoint.startsWith('run:')) return undefined;
  const { run = '', which } = REFERENCE.exec(checkpoint)?.groups ?? {};
  if (which === undefined)
    throw new Error(
      `found ${JSON.stringify(checkpoint)}; a run's judge is run:<name>/newest, run:<name>/best, or run:<name>/2 for M_2`,
    );
  if (!existsSync(store.path(run)))
    throw new Error(`no run ${JSON.stringify(run)} in the store ${store.root}`);
  if (which === 'best') return bestJudge(store, run);
  return which === 'newest' ? newestJudge(store, run) : judgeOfIteration(store, run, Number(which));
}

/** The checkpoint that a run's judge stands for now; any other stays as it is. */
export async function trainedJudge(store: ArtifactStore, checkpoint: string): Promise<string> {
  return (await judgeOfRun(store, checkpoint))?.checkpoint ?? checkpoint;
}

async function bestJudge(store: ArtifactStore, run: string): Promise<RunJudge> {
  const text = await readTextIfThere(store.path(runUris.result(run)));
  const { iterations = [], best } = JSON.parse(text ?? '{}') as Partial<RunResult>;
  const chosen = iterations.find(({ iteration }) => iteration === best);
  if (chosen !== undefined) return { run, iteration: chosen.iteration, checkpoint: chosen.model.checkpoint };
  const soFar = await bestSoFar(store, run);
  if (soFar === undefined)
    throw new Error(
      `the run ${run} has not chosen its best judge yet: run:${run}/newest is the last one so far`,
    );
  return trainedIn(store, run, soFar);
}

/** The judge that a run under way has exported. */
async function bestSoFar(store: ArtifactStore, run: string): Promise<number | undefined> {
  const text = await readTextIfThere(join(store.path(runUris.modelFolder(run)), JUDGE_FILE));
  return text === undefined ? undefined : readJudge(JSON.parse(text), JUDGE_FILE).iteration;
}

async function newestJudge(store: ArtifactStore, run: string): Promise<RunJudge> {
  const newest = (await trainedIterations(store, run)).at(-1);
  if (newest === undefined) throw new Error(`the run ${run} has trained no judge yet`);
  return trainedIn(store, run, newest);
}

async function judgeOfIteration(store: ArtifactStore, run: string, iteration: number): Promise<RunJudge> {
  const trained = await trainedIterations(store, run);
  if (trained.includes(iteration)) return trainedIn(store, run, iteration);
  const judges = trained.length === 0 ? 'none yet' : trained.map((each) => `M_${each}`).join(', ');
  throw new Error(
    iteration === 0
      ? `M_0 of ${run} is its seed model: name that checkpoint`
      : `the run ${run} has trained no M_${iteration}; it has trained ${judges}`,
  );
}

/** In their order; those whose weights were freed too. */
async function trainedIterations(store: ArtifactStore, run: string): Promise<number[]> {
  const names = await readdir(store.path(run));
  const iterations = names.map((name) => Number(/^iteration-([1-9]\d*)$/.exec(name)?.[1] ?? 0));
  const trained: number[] = [];
  for (const iteration of iterations.filter((each) => each > 0).sort((a, b) => a - b))
    if ((await readResult(store.path(runUris.training(run, iteration)))) !== undefined)
      trained.push(iteration);
  return trained;
}

function trainedIn(store: ArtifactStore, run: string, iteration: number): RunJudge {
  const uri = `${runUris.training(run, iteration)}/model`;
  const freed = freedMessage(store.path(uri));
  if (freed !== undefined) throw new Error(freed);
  return { run, iteration, checkpoint: storedCheckpoint(uri) };
}
