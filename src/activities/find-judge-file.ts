import { existsSync } from 'node:fs';
import type { ArtifactStore } from '../artifacts/store.ts';
import { findCheckpoint } from '../config/checkpoint.ts';
import { resolveInput } from '../config/input-files.ts';
import type { PairsJudging } from '../config/pairs-judging-schema.ts';
import type { JudgeFile } from '../contract/judge-file.ts';
import { JudgeFileMissing, readJudgeFile, readJudgeOf } from '../judging/judge-file.ts';
import type { Dependencies } from './dependencies.ts';
import { runUris } from './open-run.ts';
import { judgeOfRun } from './trained-judge.ts';

/**
 * `judge.json` of a run's judge.
 * @throws JudgeFileMissing, JudgeFileInvalid
 */
export async function judgeFileOfRun(
  store: ArtifactStore,
  run: string,
  iteration: number,
): Promise<JudgeFile> {
  const path = store.path(runUris.judgeFile(run, iteration));
  if (existsSync(path)) return readJudgeFile(path);
  throw new JudgeFileMissing(
    `M_${iteration} of the run ${run} has no judge.json, which says how it is asked (looked for ${path}). A run that is ` +
      'started again under its name writes it',
  );
}

/**
 * The `judge.json` by which a judging asks: the one that it names, else its checkpoint's.
 * @throws JudgeFileMissing, JudgeFileInvalid; Error where there is no such file, run or judge
 */
export async function judgeFileFor(
  { store, files }: Pick<Dependencies, 'store' | 'files'>,
  { judge, model }: Pick<Partial<PairsJudging>, 'judge' | 'model'>,
): Promise<JudgeFile> {
  if (judge !== undefined) return readJudgeFile(resolveInput(files, judge));
  const checkpoint = model?.checkpoint ?? '';
  const ofRun = await judgeOfRun(store, checkpoint);
  if (ofRun !== undefined) return judgeFileOfRun(store, ofRun.run, ofRun.iteration);
  const place = findCheckpoint(store, files, checkpoint);
  if (place.kind === 'folder') return readJudgeOf(place.path);
  throw new JudgeFileMissing(
    `the checkpoint ${place.id} is one of the hub, where this worker doesn't look for its judge.json: download that file, and ` +
      'name it',
  );
}
