import type { ArtifactStore } from '../store/artifact-store.ts';
import { findOutsideCheckpoint, requireCheckpoint, storeUriOf } from '../runs/find-checkpoint.ts';
import { type InputFiles, resolveInputPath } from '../platform/input-files.ts';
import type { PairsJudgingConfiguration } from '../config/pairs-judging-configuration.ts';
import type { JudgeFile } from '../api/judge-file.ts';
import {
  JudgeFileMissing,
  judgeFilePlaces,
  noJudgeFile,
  parseJudgeText,
  readJudgeFile,
  readCheckpointJudgeFile,
} from './read-judge-file.ts';
import { runUris } from '../runs/run-layout.ts';
import { resolveJudgeReference } from '../runs/find-run-judge.ts';

/**
 * Reads `judge.json` of a run's judge.
 * @throws JudgeFileMissing, InvalidJudgeFile
 */
export async function judgeFileOfRun(
  store: ArtifactStore,
  run: string,
  iteration: number,
): Promise<JudgeFile> {
  const uri = runUris.judgeFile(run, iteration);
  const text = await store.readText(uri);
  if (text !== undefined) return parseJudgeText(text, store.locate(uri));
  throw new JudgeFileMissing(
    `M_${iteration} of the run ${run} has no judge.json, which says how to prompt it (looked for ${store.locate(uri)}). Start the run ` +
      'again under its name to write it',
  );
}

/**
 * Reads the `judge.json` of a judging: the one that its configuration names, otherwise that of its checkpoint.
 * @throws JudgeFileMissing, InvalidJudgeFile; Error if there is no such file, run or judge
 */
export async function judgeFileFor(
  { store, files }: { readonly store: ArtifactStore; readonly files: InputFiles },
  { judgeFile, model }: Pick<Partial<PairsJudgingConfiguration>, 'judgeFile' | 'model'>,
): Promise<JudgeFile> {
  if (judgeFile !== undefined) return readJudgeFile(resolveInputPath(files, judgeFile));
  const checkpoint = model?.checkpoint ?? '';
  const ofRun = await resolveJudgeReference(store, checkpoint);
  if (ofRun !== undefined) return judgeFileOfRun(store, ofRun.run, ofRun.iteration);
  const uri = storeUriOf(checkpoint);
  if (uri !== undefined) {
    await requireCheckpoint(store, files, checkpoint);
    return storedCheckpointJudgeFile(store, uri);
  }
  const place = findOutsideCheckpoint(files, checkpoint);
  if (place.kind === 'folder') return readCheckpointJudgeFile(place.path);
  throw new JudgeFileMissing(
    `the checkpoint ${place.id} is on the hub, where this worker doesn't look for a judge.json: download that file and set ` +
      'judgeFile',
  );
}

async function storedCheckpointJudgeFile(store: ArtifactStore, uri: string): Promise<JudgeFile> {
  const keys = judgeFilePlaces(uri);
  for (const key of keys) {
    const text = await store.readText(key);
    if (text !== undefined) return parseJudgeText(text, store.locate(key));
  }
  throw noJudgeFile(
    store.locate(uri),
    keys.map((key) => store.locate(key)),
  );
}
