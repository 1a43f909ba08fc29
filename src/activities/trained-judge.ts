import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { storedCheckpoint } from '../config/checkpoint.ts';
import { freedMessage } from '../training/freed-model.ts';
import { readResult } from '../training/model-damage.ts';
import { runUris } from './open-run.ts';
import type { RunResult } from './types.ts';

const REFERENCE = /^run:(?<run>[A-Za-z0-9][\w.-]*)\/(?<which>newest|best)$/;

/**
 * The checkpoint that `run:<name>/newest` (the last judge that the run has trained, under way or ended) or
 * `run:<name>/best` (the one that it chose, once it has ended) means now. Any other stays as it is.
 * @throws Error that says which run or judge isn't there
 */
export async function trainedJudge(store: ArtifactStore, checkpoint: string): Promise<string> {
  if (!checkpoint.startsWith('run:')) return checkpoint;
  const { run = '', which } = REFERENCE.exec(checkpoint)?.groups ?? {};
  if (which === undefined)
    throw new Error(
      `found ${JSON.stringify(checkpoint)}; a run's judge is run:<name>/newest or run:<name>/best`,
    );
  if (!existsSync(store.path(run)))
    throw new Error(`no run ${JSON.stringify(run)} in the store ${store.root}`);
  return which === 'best' ? bestJudge(store, run) : newestJudge(store, run);
}

async function bestJudge(store: ArtifactStore, run: string): Promise<string> {
  const text = await readTextIfThere(store.path(runUris.result(run)));
  const { iterations = [], best } = JSON.parse(text ?? '{}') as Partial<RunResult>;
  const chosen = iterations.find(({ iteration }) => iteration === best);
  if (chosen === undefined)
    throw new Error(
      `the run ${run} has not chosen its best judge yet: run:${run}/newest is the last one so far`,
    );
  return chosen.model.checkpoint;
}

async function newestJudge(store: ArtifactStore, run: string): Promise<string> {
  const names = await readdir(store.path(run));
  const iterations = names.map((name) => Number(/^iteration-([1-9]\d*)$/.exec(name)?.[1] ?? 0));
  for (const iteration of iterations.filter((each) => each > 0).sort((a, b) => b - a)) {
    const uri = runUris.training(run, iteration);
    if ((await readResult(store.path(uri))) === undefined) continue;
    const freed = freedMessage(store.path(`${uri}/model`));
    if (freed !== undefined) throw new Error(freed);
    return storedCheckpoint(`${uri}/model`);
  }
  throw new Error(`the run ${run} has trained no judge yet`);
}
