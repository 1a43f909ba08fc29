import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { Judge } from '../client/judge/create-judge.ts';
import type { JudgingFigures } from '../contract/judging-result.ts';
import { RequestRefused } from '../inference/errors.ts';
import { hashOf } from '../judge/seeds.ts';
import { withLock } from '../processes/lock.ts';
import { FiguresCounter } from './figures.ts';
import { type FilePair, readGivenPairs } from './given-pairs.ts';
import { failedPair, type JudgedPair, judgedPair } from './judged-pair.ts';
import { readVerdicts, VerdictFile } from './verdict-file.ts';

/** Rows of a file hold no pairs. */
export class PairsUnusable extends Error {
  override readonly name = 'PairsUnusable';
}

export interface FileJudging {
  /** Absolute paths of the pairs, and of the verdicts. */
  readonly pairs: string;
  readonly out: string;
  /** What the verdicts mean, by `judgingMeaning`. */
  readonly meaning: Fingerprint;
  /** Asked for once, where something is left to judge. */
  readonly judge: () => Promise<Judge>;
  /** Pairs that are begun before the first of them has its verdict. */
  readonly pairsAtOnce: number;
  /** Ends it; what was judged stays. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FileProgress) => void;
}

export interface FileProgress {
  /** Pairs that have their line, those of earlier attempts too. */
  readonly done: number;
  readonly of: number;
  /** Of this attempt alone. */
  readonly judgments: number;
  readonly completionTokens: number;
}

/**
 * Counts the pairs of a file.
 * @throws PairsUnusable naming file and rows where a row holds none, or there are no rows; UnreadableFileError
 */
export async function countPairs(file: string): Promise<number> {
  const problems: string[] = [];
  let rows = 0;
  let unusable = 0;
  for await (const { row, problem } of readGivenPairs(file)) {
    rows = row + 1;
    if (problem === undefined) continue;
    unusable += 1;
    if (problems.length < 5) problems.push(`  row ${row}: ${problem}`);
  }
  if (rows === 0) throw new PairsUnusable(`${file} has no rows: nothing is there to judge`);
  if (unusable === 0) return rows;
  const more = unusable - problems.length;
  throw new PairsUnusable(
    `${file}: ${unusable === 1 ? 'one row holds' : `${unusable} rows hold`} no pair, rows from 0; mend or remove ` +
      `${unusable === 1 ? 'it' : 'them'}:\n${problems.join('\n')}${more > 0 ? `\n  and ${more} more` : ''}`,
  );
}

/**
 * Judges the pairs of a file, or what is left of them after an earlier attempt; at most what was under way is asked again.
 * @param of how many there are
 * @returns what all verdicts come to
 * @throws VerdictFileRefused; what `compare` throws but RequestRefused, which is a line of its own; the signal's reason
 */
export async function judgePairsFile(judging: FileJudging, of: number): Promise<JudgingFigures> {
  const out = resolve(judging.out);
  const lock = join(tmpdir(), `self-taught-evaluator-${hashOf(out)}.lock`);
  // A second command on the same file waits, and finds everything done.
  return withLock(lock, async () => {
    const file = await VerdictFile.open(out, judging.meaning);
    try {
      if (file.rows < of) await judgeFrom(file, await judging.judge(), judging, of);
    } finally {
      await file.close();
    }
    const counter = new FiguresCounter();
    for await (const judged of readVerdicts(out)) counter.add(judged);
    return counter.figures;
  });
}

/** Verdicts are written in the order of the rows, so that the file is the same whatever the way to it. */
async function judgeFrom(
  file: VerdictFile,
  judge: Judge,
  { pairs, pairsAtOnce, signal, onProgress }: FileJudging,
  of: number,
): Promise<void> {
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const underWay: Promise<JudgedPair>[] = [];
  const progress = { judgments: 0, completionTokens: 0 };
  const tell = () => onProgress({ done: file.rows, of, ...progress });
  const writeFirst = async (): Promise<void> => {
    const judged = await underWay.shift();
    if (judged === undefined) return;
    await file.append(judged);
    progress.judgments += judged.orders.reduce((sum, { judgments }) => sum + judgments.length, 0);
    progress.completionTokens += judged.tokens?.completion ?? 0;
    tell();
  };
  tell();
  try {
    for await (const { row, pair } of readGivenPairs(pairs)) {
      if (row < file.rows + underWay.length || pair === undefined) continue;
      const judged = judgeRow(judge, row, pair, either);
      // Awaited in its turn.
      judged.catch(() => undefined);
      underWay.push(judged);
      if (underWay.length >= pairsAtOnce) await writeFirst();
    }
    while (underWay.length > 0) await writeFirst();
  } catch (error) {
    ended.abort(error);
    await Promise.allSettled(underWay);
    throw error;
  }
}

async function judgeRow(judge: Judge, row: number, pair: FilePair, signal: AbortSignal): Promise<JudgedPair> {
  const { id, better, instruction, a, b } = pair;
  const known = { row, id, better };
  try {
    return judgedPair(known, await judge.compare(instruction, a, b, { signal }));
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error;
    return failedPair(known, { reason: error.reason, detail: error.message });
  }
}
