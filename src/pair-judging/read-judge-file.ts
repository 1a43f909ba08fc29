import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decodeFile, UnknownEncoding } from '../platform/text-encoding.ts';
import { JUDGE_FILE, type JudgeFile, InvalidJudgeFile, parseJudgeFile } from '../api/judge-file.ts';

/** A checkpoint has no `judge.json`, which defines its prompt and sampling. */
export class JudgeFileMissing extends Error {
  override readonly name = 'JudgeFileMissing';
}

/**
 * Reads a file with the content of a `judge.json`.
 * @throws JudgeFileMissing, InvalidJudgeFile; both name the file
 */
export async function readJudgeFile(path: string): Promise<JudgeFile> {
  if (!existsSync(path)) throw new JudgeFileMissing(`there is no file ${path}`);
  const bytes = await readFile(path);
  try {
    return parseJudgeText(decodeFile(bytes), path);
  } catch (error) {
    if (error instanceof UnknownEncoding)
      throw new InvalidJudgeFile(`${path} ${error.message}`, { cause: error });
    throw error;
  }
}

/**
 * Parses the text of a `judge.json`.
 * @throws InvalidJudgeFile that names the file
 */
export function parseJudgeText(text: string, path: string): JudgeFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidJudgeFile(`${path} can't be read as JSON: ${reason}`, { cause: error });
  }
  return parseJudgeFile(content, path);
}

/**
 * Reads `judge.json` of a checkpoint in a folder.
 * @throws JudgeFileMissing that names the places, InvalidJudgeFile
 */
export async function readCheckpointJudgeFile(folder: string): Promise<JudgeFile> {
  const places = judgeFilePlaces(folder);
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw noJudgeFile(folder, places);
  return readJudgeFile(found);
}

/**
 * The places of a checkpoint's `judge.json`: in its folder, as in `outputs/model`, or beside it if the folder is the `model`
 * of a run's training.
 * @param folder a folder, or a uri of the store
 */
export function judgeFilePlaces(folder: string): string[] {
  return [
    join(folder, JUDGE_FILE),
    ...(basename(folder) === 'model' ? [join(dirname(folder), JUDGE_FILE)] : []),
  ];
}

export function noJudgeFile(folder: string, places: readonly string[]): JudgeFileMissing {
  return new JudgeFileMissing(
    `the checkpoint ${folder} has no judge.json, which says how to prompt it (looked for ${places.join(', and for ')})`,
  );
}
