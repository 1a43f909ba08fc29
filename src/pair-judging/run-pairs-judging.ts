/**
 * Judges a file of pairs on this machine, for the command `judge`. Judgments are stored beside the output until all
 * pairs are judged.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PairsJudgingFigures } from '../api/pairs-judging-result.ts';
import { readLines } from '../datasets/rows/read-rows.ts';
import { RequestRejected } from '../models/inference/errors.ts';
import { writeFileAtomically } from '../platform/atomic-write.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { fieldDifferences } from '../platform/field-differences.ts';
import { fileSha256 } from '../platform/file-hashes.ts';
import { withLock } from '../platform/file-lock.ts';
import { SharedPlaces } from '../platform/shared-places.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { userTemporaryFolder } from '../platform/user.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { type ArtifactStore, openStore } from '../store/artifact-store.ts';
import { TooManySkipped } from '../store/errors.ts';
import { resumeShard } from '../store/resume-shard.ts';
import { UnitFailed } from '../store/shard-types.ts';
import { shardUri } from '../store/shards.ts';
import type { PairJudge } from './judge-pair.ts';
import { type IndexedFilePair, indexFilePair, pairsShardTask, shardVerdicts } from './judge-shard.ts';
import type { JudgedPair } from './judged-pair.ts';
import { JudgingFiguresCounter } from './judging-figures.ts';
import { readFilePairs } from './read-file-pairs.ts';
import type { AskJudge, Vote } from './vote.ts';

/** Some rows of a file contain no pairs. */
export class InvalidPairsFile extends Error {
  override readonly name = 'InvalidPairsFile';
}

/** The endpoint refuses more pairs than allowed, which suggests another problem. The judged pairs are kept. */
export class TooManyPairsRefused extends Error {
  override readonly name = 'TooManyPairsRefused';
}

/** The output file belongs to another judging. Nothing was changed. */
export class VerdictFileMismatch extends Error {
  override readonly name = 'VerdictFileMismatch';
}

/** Number of pairs in a shard, which are in memory together. */
const SHARD_SIZE = 500;
/** Shards at a time, which share the requests: the next one begins while the last answers of those before it are awaited. */
const CONCURRENT_SHARDS = 4;
/** Number of refused pairs that every shard tolerates, whatever their share. */
const MIN_ALLOWED_REFUSALS = 20;

export interface PairsJudgingJob {
  /** Absolute paths of the pairs and of the verdicts. */
  readonly pairs: string;
  readonly out: string;
  readonly judge: PairJudge;
  /** The inputs that determine the verdicts, from `pairsJudgingFingerprint`. */
  readonly fingerprint: Fingerprint;
  /** Prepares the judge. Called once, before the first request. */
  readonly startJudge: () => Promise<AskJudge>;
  /** Number of pairs that are judged at a time. */
  readonly concurrency: number;
  /**
   * The largest share of pairs that the endpoint may refuse. If it refuses more, the next attempt requests them
   * again.
   */
  readonly maxRefusedShare: number;
  /** Ends the judging; finished judgments are kept. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PairsJudgingProgress) => void;
  /** Called when another process judges into the same file and this one waits for it. */
  readonly onWait: (processId: number) => void;
}

/** The figures of all verdicts in a file. */
export interface PairsJudgingOutcome {
  readonly figures: PairsJudgingFigures;
  /** The first refused pair, if more pairs were refused than allowed. */
  readonly refused?: { readonly row: number; readonly detail: string };
}

export interface PairsJudgingProgress {
  /** Number of judged pairs, including those of earlier attempts. */
  readonly done: number;
  readonly total: number;
  /** The number of judgments and their tokens, of this attempt only. */
  readonly judgments: number;
  readonly completionTokens: number;
}

/**
 * Counts the pairs of a file.
 * @throws InvalidPairsFile that names file and rows if a row contains no pair or there are no rows; UnreadableFile
 */
export async function countPairs(file: string): Promise<number> {
  const problems: string[] = [];
  let rows = 0;
  let unusable = 0;
  for await (const { row, problem } of readFilePairs(file)) {
    rows = row + 1;
    if (problem === undefined) continue;
    unusable += 1;
    if (problems.length < 5) problems.push(`  row ${row}: ${problem}`);
  }
  if (rows === 0) throw new InvalidPairsFile(`${file} has no rows: there is nothing to judge`);
  if (unusable === 0) return rows;
  const more = unusable - problems.length;
  throw new InvalidPairsFile(
    `${file}: ${unusable === 1 ? 'one row holds' : `${unusable} rows hold`} no pair (rows are counted from 0); fix or remove ` +
      `${unusable === 1 ? 'it' : 'them'}:\n${problems.join('\n')}${more > 0 ? `\n  and ${more} more` : ''}`,
  );
}

/**
 * Judges the pairs of a file. When all are judged, writes a line for each one in the order of the rows. A later call
 * with the same job continues where an earlier one ended, and repeats at most the requests that were in flight.
 * @param total the number of pairs
 * @throws TooManyPairsRefused as soon as the limit is exceeded; VerdictFileMismatch; the errors of the judge; the
 * signal's reason
 */
export async function runPairsJudging(job: PairsJudgingJob, total: number): Promise<PairsJudgingOutcome> {
  const { out, maxRefusedShare, signal, onWait } = job;
  const isTooMany = ({ failed }: PairsJudgingFigures) => failed > total * maxRefusedShare;
  const judge = async (): Promise<PairsJudgingOutcome> => {
    await claimOutput(job);
    const earlier = existsSync(out) ? await summarize(job, total) : undefined;
    if (earlier === undefined || isTooMany(earlier.figures)) await judgeMissing(job, total);
    await rm(journalOf(out), { recursive: true, force: true });
    const { figures, refused } = await summarize(job, total);
    return isTooMany(figures) && refused !== undefined ? { figures, refused } : { figures };
  };
  // A second process with the same output waits, and then finds that everything is done.
  const lock = join(userTemporaryFolder(), `judging-${stableHash(out)}.lock`);
  return withLock(lock, judge, { signal, onWait: ({ pid }) => onWait(pid) });
}

/** The folder in which answers are stored until the verdicts are written. */
function journalOf(out: string): string {
  return `${out}.journal`;
}

/** Writes the fingerprint of the verdicts beside the output, so that no other judging continues it. */
async function claimOutput({ out, fingerprint }: PairsJudgingJob): Promise<void> {
  const metaPath = `${out}.meta.json`;
  if (existsSync(metaPath)) {
    const differences = fieldDifferences(JSON.parse(await readFile(metaPath, 'utf8')), fingerprint);
    if (differences.length === 0) return;
    const fields = differences.map(({ field, before, after }) => `${field} was ${before}, now ${after}`);
    throw new VerdictFileMismatch(
      `${out} contains the verdicts of another judging (${fields.join('; ')}): name another file with --out, or delete it, ` +
        `${metaPath} and ${journalOf(out)}`,
    );
  }
  if (existsSync(out))
    throw new VerdictFileMismatch(
      `${out} exists, but probably has no verdicts (there is no ${metaPath}): name another file with --out, or ` +
        'delete it',
    );
  await writeFileAtomically(metaPath, `${JSON.stringify(fingerprint, undefined, 2)}\n`);
}

/** Judges all pairs that have no verdict yet, shard by shard, and writes the output. */
async function judgeMissing(job: PairsJudgingJob, total: number): Promise<void> {
  const { out } = job;
  // An existing output contains refused pairs, which are judged again. This is a separate piece of work with its own
  // journal.
  const attempt = existsSync(out) ? `again-${(await fileSha256(out)).slice(0, 16)}` : 'first';
  const store = openStore(journalOf(out));
  const judged: ArtifactReference[] = [];
  const judgeShard = shardJudge(job, store, attempt, total);
  const stopping = new AbortController();
  const signal = AbortSignal.any([job.signal, stopping.signal]);
  const shards = readShards(job);
  const judgeShards = async (): Promise<void> => {
    try {
      for await (const shard of shards) judged[shard.number] = await judgeShard(shard, signal);
    } catch (error) {
      stopping.abort(error);
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: CONCURRENT_SHARDS }, judgeShards));
  if (results.some(({ status }) => status === 'rejected')) throw signal.reason as Error;
  await writeFileAtomically(out, verdictLines(job, store, judged));
}

interface PairsShard {
  readonly number: number;
  /** All pairs of the shard. A pair that an earlier attempt has judged has its verdict. */
  readonly pairs: readonly { readonly unit: IndexedFilePair; readonly verdict: JudgedPair | undefined }[];
}

/** Reads the file of pairs in shards, with the verdicts of an existing output. */
async function* readShards({ pairs: file, out }: PairsJudgingJob): AsyncGenerator<PairsShard> {
  const earlier = existsSync(out) ? readVerdicts(out) : undefined;
  let number = 0;
  let pairs: PairsShard['pairs'][number][] = [];
  for await (const { row, pair } of readFilePairs(file)) {
    const line = (await earlier?.next())?.value;
    if (pair === undefined) continue;
    const verdict = line === undefined || line.failed !== undefined ? undefined : line;
    if (pairs.push({ unit: indexFilePair(row, pair), verdict }) < SHARD_SIZE) continue;
    yield { number, pairs };
    number += 1;
    pairs = [];
  }
  if (pairs.length > 0) yield { number, pairs };
}

function missingOf({ pairs }: PairsShard): IndexedFilePair[] {
  return pairs.flatMap(({ unit, verdict }) => (verdict === undefined ? [unit] : []));
}

/** Makes a function that judges one shard and stores each answer as soon as it arrives. */
function shardJudge(job: PairsJudgingJob, store: ArtifactStore, attempt: string, total: number) {
  const task = pairsShardTask(job.judge);
  const places = new SharedPlaces(job.concurrency);
  const progress = { done: 0, total, judgments: 0, completionTokens: 0 };
  const advance = (pairs: number) => {
    progress.done += pairs;
    job.onProgress({ ...progress });
  };
  let started: Promise<AskJudge> | undefined;
  const ask: AskJudge = async (request) => {
    const send = await (started ??= job.startJudge());
    const answer = await send(request).catch((error: unknown) => {
      throw error instanceof RequestRejected ? new UnitFailed(error.reason, error.message) : error;
    });
    progress.judgments += answer.choices.length;
    progress.completionTokens += answer.usage.completionTokens;
    return answer;
  };
  return async (shard: PairsShard, signal: AbortSignal): Promise<ArtifactReference> => {
    const units = missingOf(shard);
    let counted = 0;
    let lastRefusal = '';
    const maxSkippedShare = Math.max(job.maxRefusedShare, (MIN_ALLOWED_REFUSALS - 0.5) / units.length);
    advance(shard.pairs.length - units.length);
    const manifest = await resumeShard<IndexedFilePair, Vote, JudgedPair>(store, {
      uri: shardUri(attempt, shard.number),
      fingerprint: { ...job.fingerprint, shard: shard.number },
      units,
      processUnit: async (unit, existing, emit) => {
        try {
          await task.work(unit, existing, emit, ask);
        } catch (error) {
          if (error instanceof UnitFailed) lastRefusal = `row ${unit.row} with: ${error.message}`;
          throw error;
        }
      },
      assembleResults: task.assembleResults,
      countResults: task.countResults,
      concurrency: {
        forEach: (pairs, work, end) => places.forEach(shard.number, pairs, work, end),
      },
      maxSkippedShare,
      signal,
      // A person waits for the end of the command.
      finishSeconds: 0,
      onProgress: ({ done }) => {
        advance(done - counted);
        counted = done;
      },
    }).catch((error: unknown) => {
      if (!(error instanceof TooManySkipped)) throw error;
      throw new TooManyPairsRefused(
        `The endpoint refused more than ${Math.ceil(units.length * maxSkippedShare)} of ${units.length} pairs, the last one ` +
          lastRefusal,
        { cause: error },
      );
    });
    advance(units.length - counted);
    return manifest;
  };
}

/** The lines of the output: the verdicts of an earlier output, with its gaps filled by those of this attempt. */
async function* verdictLines(
  job: PairsJudgingJob,
  store: ArtifactStore,
  judged: readonly ArtifactReference[],
): AsyncGenerator<string> {
  for await (const shard of readShards(job)) {
    const reference = judged[shard.number];
    if (reference === undefined) throw new Error(`shard ${shard.number} of ${job.pairs} is not judged`);
    const missing = shardVerdicts(store, missingOf(shard), reference);
    for (const { verdict } of shard.pairs)
      yield `${canonicalJson(verdict ?? (await missing.next()).value)}\n`;
  }
}

async function* readVerdicts(path: string): AsyncGenerator<JudgedPair> {
  for await (const line of readLines(path)) yield JSON.parse(line) as JudgedPair;
}

/** Counts the verdicts of an output, and finds the first refused pair. */
async function summarize({ pairs, out }: PairsJudgingJob, total: number): Promise<PairsJudgingOutcome> {
  const counter = new JudgingFiguresCounter();
  const rows = readFilePairs(pairs);
  let refused: PairsJudgingOutcome['refused'];
  for await (const judged of readVerdicts(out)) {
    const row = (await rows.next()).value;
    counter.add(judged, row?.pair?.instruction ?? judged.id);
    if (judged.failed !== undefined) refused ??= { row: judged.row, detail: judged.failed.detail };
  }
  const { figures } = counter;
  if (figures.pairs !== total)
    throw new VerdictFileMismatch(
      `${out} has verdicts on ${figures.pairs} of ${total} pairs: another program has changed it. Delete it, and judge again`,
    );
  return refused === undefined ? { figures } : { figures, refused };
}
