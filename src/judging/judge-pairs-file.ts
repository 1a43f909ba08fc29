import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { Judge } from '../client/judge/create-judge.ts';
import type { JudgingFigures } from '../contract/judging-result.ts';
import { RequestRefused } from '../inference/errors.ts';
import { hashOf } from '../judge/seeds.ts';
import { withLock } from '../processes/lock.ts';
import { FiguresCounter } from './figures.ts';
import { type FilePair, readGivenPairs } from './given-pairs.ts';
import { failedPair, type JudgedPair, judgedPair } from './judged-pair.ts';
import { earlierVerdicts, readVerdicts, VerdictFile } from './verdict-file.ts';

/** Rows of a file hold no pairs. */
export class PairsUnusable extends Error {
  override readonly name = 'PairsUnusable';
}

/** The endpoint refuses so many pairs that something else must be wrong. What has its line stays. */
export class TooManyRefused extends Error {
  override readonly name = 'TooManyRefused';
}

/** So many may be refused whatever their share: of a small file all. */
const REFUSED_AT_LEAST = 20;

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
  /** The share of the pairs that the endpoint may refuse for good. Beyond it a later attempt asks about them again. */
  readonly maximumRefusedShare: number;
  /** Ends it; what was judged stays. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FileProgress) => void;
  /** Another process judges into the same file, and this one waits. */
  readonly onWait: (processId: number) => void;
}

/** What all verdicts of a file come to. */
export interface JudgedFile {
  readonly figures: JudgingFigures;
  /** The first pair that was refused, where more of them were than may be. */
  readonly refused?: { readonly row: number; readonly detail: string };
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
 * @throws TooManyRefused as soon as that is clear; VerdictFileRefused; what `compare` throws but RequestRefused, which is a line of its own; the signal's reason
 */
export async function judgePairsFile(judging: FileJudging, of: number): Promise<JudgedFile> {
  const { out, meaning, maximumRefusedShare, signal, onWait } = judging;
  const lock = join(tmpdir(), `self-taught-evaluator-${userInfo().uid}-${hashOf(out)}.lock`);
  const judgeRest = async (): Promise<JudgedFile> => {
    const found = await VerdictFile.open(out, meaning);
    const file = found.refused > of * maximumRefusedShare ? await found.beginAgain() : found;
    try {
      if (file.rows < of) await judgeFrom(file, await judging.judge(), judging, of);
    } finally {
      await file.close();
    }
    await rm(earlierVerdicts(out), { force: true });
    const counter = new FiguresCounter();
    let first: JudgedFile['refused'];
    for await (const judged of readVerdicts(out)) {
      counter.add(judged);
      if (judged.failed !== undefined) first ??= { row: judged.row, detail: judged.failed.detail };
    }
    const { figures } = counter;
    return first === undefined || figures.failed <= of * maximumRefusedShare
      ? { figures }
      : { figures, refused: first };
  };
  // A second command on the same file waits, and finds everything done.
  return withLock(lock, judgeRest, { signal, onWait: ({ pid }) => onWait(pid) });
}

/** Verdicts are written in the order of the rows, so that the file is the same whatever the way to it. */
async function judgeFrom(
  file: VerdictFile,
  judge: Judge,
  { pairs, out, pairsAtOnce, maximumRefusedShare, signal, onProgress }: FileJudging,
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
    if (judged.failed !== undefined && file.refused > Math.max(REFUSED_AT_LEAST, of * maximumRefusedShare))
      throw new TooManyRefused(
        `The endpoint refused ${file.refused} of the first ${file.rows} pairs, row ${judged.row} with: ${judged.failed.detail}`,
      );
  };
  tell();
  const earlier = earlierVerdicts(out);
  const before = existsSync(earlier) ? readVerdicts(earlier) : undefined;
  try {
    for await (const { row, pair } of readGivenPairs(pairs)) {
      const known = (await before?.next())?.value;
      if (row < file.rows + underWay.length || pair === undefined) continue;
      const judged =
        known !== undefined && known.failed === undefined
          ? Promise.resolve(known)
          : judgeRow(judge, row, pair, either);
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
  } finally {
    await before?.return(undefined);
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
