import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { JUDGE_FILE, type JudgeFile, JudgeFileInvalid, readJudge } from '../contract/judge-file.ts';

/** A checkpoint doesn't say how it is asked. */
export class JudgeFileMissing extends Error {
  override readonly name = 'JudgeFileMissing';
}

/**
 * Reads a file that holds what `judge.json` does.
 * @throws JudgeFileMissing, JudgeFileInvalid; both name the file
 */
export async function readJudgeFile(path: string): Promise<JudgeFile> {
  if (!existsSync(path)) throw new JudgeFileMissing(`there is no file ${path}`);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new JudgeFileInvalid(`${path} can't be read as JSON: ${reason}`, { cause: error });
  }
  return readJudge(content, path);
}

/**
 * `judge.json` of a checkpoint folder: in it, as in `outputs/model`, or beside a `model` folder as a run has trained it.
 * @throws JudgeFileMissing that names the places, JudgeFileInvalid
 */
export async function readJudgeOf(folder: string): Promise<JudgeFile> {
  const places = [
    join(folder, JUDGE_FILE),
    ...(basename(folder) === 'model' ? [join(dirname(folder), JUDGE_FILE)] : []),
  ];
  const found = places.find((place) => existsSync(place));
  if (found === undefined)
    throw new JudgeFileMissing(
      `the checkpoint ${folder} carries no judge.json, which says how it is asked (looked for ${places.join(', and for ')})`,
    );
  return readJudgeFile(found);
}
