/**
 * Judges the rows of a file on this machine, for the command `judge`. Judgments are stored beside the output until all
 * rows are judged.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readLines } from '../datasets/rows/read-rows.ts';
import { RequestRejected } from '../models/inference/errors.ts';
import { writeFileAtomically } from '../platform/atomic-write.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { fieldDifferences, formatChanges } from '../platform/field-differences.ts';
import { fileSha256 } from '../platform/file-hashes.ts';
import { withLock } from '../platform/file-lock.ts';
import { SharedPlaces } from '../platform/shared-places.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { userTemporaryFolder } from '../platform/user.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { type ArtifactStore, openStore } from '../store/artifact-store.ts';
import { TooManySkipped } from '../store/errors.ts';
import { resumeShard } from '../store/resume-shard.ts';
import { type ShardRecord, SKIPPED_FILE, type SkippedRecord, UnitFailed } from '../store/shard-types.ts';
import { shardUri } from '../store/shards.ts';
import type { FileLine, FileTask, FileUnit } from './file-task.ts';
import type { AskJudge } from './vote.ts';

/** Some rows of a file can't be judged. */
export class InvalidRows extends Error {
  override readonly name = 'InvalidRows';
}

/** The endpoint refuses more rows than allowed, which suggests another problem. The judged rows are kept. */
export class TooManyRefused extends Error {
  override readonly name = 'TooManyRefused';
}

/** The output file belongs to another judging. Nothing was changed. */
export class VerdictFileMismatch extends Error {
  override readonly name = 'VerdictFileMismatch';
}

/** Number of rows in a shard, which are in memory together. */
const SHARD_SIZE = 500;
/** Shards at a time, which share the requests: the next one begins while the last answers of those before it are awaited. */
const CONCURRENT_SHARDS = 4;
/** Number of refused rows that every shard tolerates, whatever their share. */
const MIN_ALLOWED_REFUSALS = 20;

export interface FileJudgingJob<Figures> {
  /** Absolute paths of the rows and of the verdicts. */
  readonly file: string;
  readonly out: string;
  /** What the rows are, and how they are judged. */
  readonly task: FileTask<Figures>;
  /** The inputs that determine the verdicts, from `pairsJudgingFingerprint` or `taskJudgingFingerprint`. */
  readonly fingerprint: Fingerprint;
  /** Prepares the judge. Called once, before the first request. */
  readonly startJudge: () => Promise<AskJudge>;
  /** Number of rows that are judged at a time. */
  readonly concurrency: number;
  /**
   * The largest share of rows that the endpoint may refuse. If it refuses more, the next attempt requests them
   * again.
   */
  readonly maxRefusedShare: number;
  /** Ends the judging; finished judgments are kept. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FileJudgingProgress) => void;
  /** Called when another process judges into the same file and this one waits for it. */
  readonly onWait: (processId: number) => void;
}

/** The figures of all verdicts in a file. */
export interface FileJudgingOutcome<Figures> {
  readonly figures: Figures;
  /** The number of refused rows and the first one, if more were refused than allowed. */
  readonly refused?: { readonly count: number; readonly row: number; readonly detail: string };
}

export interface FileJudgingProgress {
  /** Number of judged rows, including those of earlier attempts. */
  readonly done: number;
  readonly total: number;
  /** The number of judgments and their tokens, of this attempt only. */
  readonly judgments: number;
  readonly completionTokens: number;
}

/**
 * Counts the rows of a file, and the requests for them.
 * @throws InvalidRows that names file and rows if a row can't be judged or there are no rows; UnreadableFile
 */
export async function countRows(
  file: string,
  task: FileTask<unknown>,
): Promise<{ readonly rows: number; readonly requests: number }> {
  const problems: string[] = [];
  let rows = 0;
  let requests = 0;
  let unusable = 0;
  for await (const { row, unit, problem } of task.readUnits(file)) {
    rows = row + 1;
    if (unit !== undefined) requests += task.requestsFor(unit);
    if (problem === undefined) continue;
    unusable += 1;
    if (problems.length < 5) problems.push(`  row ${row}: ${problem}`);
  }
  if (rows === 0) throw new InvalidRows(`${file} has no rows: there is nothing to judge`);
  if (unusable === 0) return { rows, requests };
  const more = unusable - problems.length;
  throw new InvalidRows(
    `${file}: ${unusable === 1 ? 'one row holds' : `${unusable} rows hold`} no ${task.noun.one} (rows are counted from 0); fix or remove ` +
      `${unusable === 1 ? 'it' : 'them'}:\n${problems.join('\n')}${more > 0 ? `\n  and ${more} more` : ''}`,
  );
}

/**
 * Judges the rows of a file. When all are judged, writes a line for each one in the order of the rows. A later call
 * with the same job continues where an earlier one ended, and repeats at most the requests that were in flight.
 * @param total the number of rows
 * @throws TooManyRefused as soon as the limit is exceeded; VerdictFileMismatch; the errors of the judge; the
 * signal's reason
 */
export async function runFileJudging<Figures>(
  job: FileJudgingJob<Figures>,
  total: number,
): Promise<FileJudgingOutcome<Figures>> {
  const { out, maxRefusedShare, signal, onWait } = job;
  const isTooMany = (count = 0) => count > total * maxRefusedShare;
  const judge = async (): Promise<FileJudgingOutcome<Figures>> => {
    await claimOutput(job);
    const earlier = existsSync(out) ? await summarize(job, total) : undefined;
    if (earlier === undefined || isTooMany(earlier.refused?.count)) await judgeMissing(job, total);
    await rm(journalOf(out), { recursive: true, force: true });
    const { figures, refused } = await summarize(job, total);
    return refused !== undefined && isTooMany(refused.count) ? { figures, refused } : { figures };
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
async function claimOutput({ out, fingerprint }: FileJudgingJob<unknown>): Promise<void> {
  const metaPath = `${out}.meta.json`;
  if (existsSync(metaPath)) {
    const differences = fieldDifferences(JSON.parse(await readFile(metaPath, 'utf8')), fingerprint);
    if (differences.length === 0) return;
    throw new VerdictFileMismatch(
      `${out} contains the verdicts of another judging (${formatChanges(differences)}): name another file with --out, or delete it, ` +
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

/** Judges all rows that have no verdict yet, shard by shard, and writes the output. */
async function judgeMissing(job: FileJudgingJob<unknown>, total: number): Promise<void> {
  const { out } = job;
  // An existing output contains refused rows, which are judged again. This is a separate piece of work with its own
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

interface FileShard {
  readonly number: number;
  /** All rows of the shard. A row that an earlier attempt has judged has its line. */
  readonly rows: readonly { readonly unit: FileUnit; readonly line: FileLine | undefined }[];
}

/** Reads the file in shards, with the lines of an existing output. */
async function* readShards({ file, out, task }: FileJudgingJob<unknown>): AsyncGenerator<FileShard> {
  const earlier = existsSync(out) ? readVerdicts(out) : undefined;
  let number = 0;
  let rows: FileShard['rows'][number][] = [];
  for await (const { unit } of task.readUnits(file)) {
    const found = (await earlier?.next())?.value;
    if (unit === undefined) continue;
    const line = found === undefined || found.failed !== undefined ? undefined : found;
    if (rows.push({ unit, line }) < SHARD_SIZE) continue;
    yield { number, rows };
    number += 1;
    rows = [];
  }
  if (rows.length > 0) yield { number, rows };
}

function missingOf({ rows }: FileShard): FileUnit[] {
  return rows.flatMap(({ unit, line }) => (line === undefined ? [unit] : []));
}

/** Makes a function that judges one shard and stores each answer as soon as it arrives. */
function shardJudge(job: FileJudgingJob<unknown>, store: ArtifactStore, attempt: string, total: number) {
  const { task } = job;
  const places = new SharedPlaces(job.concurrency);
  const progress = { done: 0, total, judgments: 0, completionTokens: 0 };
  const advance = (rows: number) => {
    progress.done += rows;
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
  return async (shard: FileShard, signal: AbortSignal): Promise<ArtifactReference> => {
    const units = missingOf(shard);
    let counted = 0;
    let lastRefusal = '';
    const maxSkippedShare = Math.max(job.maxRefusedShare, (MIN_ALLOWED_REFUSALS - 0.5) / units.length);
    advance(shard.rows.length - units.length);
    const manifest = await resumeShard<FileUnit, ShardRecord, FileLine>(store, {
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
      assembleResults: (unit, votes) => task.assembleResults(unit, votes),
      countResults: (lines) => task.countResults(lines),
      concurrency: {
        forEach: (rows, work, end) => places.forEach(shard.number, rows, work, end),
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
      throw new TooManyRefused(
        `The endpoint refused more than ${Math.ceil(units.length * maxSkippedShare)} of ${units.length} ${task.noun.many}, the last one ` +
          lastRefusal,
        { cause: error },
      );
    });
    advance(units.length - counted);
    return manifest;
  };
}

/** The lines of the output: those of an earlier output, with its gaps filled by those of this attempt. */
async function* verdictLines(
  job: FileJudgingJob<unknown>,
  store: ArtifactStore,
  judged: readonly ArtifactReference[],
): AsyncGenerator<string> {
  for await (const shard of readShards(job)) {
    const reference = judged[shard.number];
    if (reference === undefined) throw new Error(`shard ${shard.number} of ${job.file} is not judged`);
    const missing = shardLines(job.task, store, missingOf(shard), reference);
    for (const { line } of shard.rows) yield `${canonicalJson(line ?? (await missing.next()).value)}\n`;
  }
}

/** The lines of the judged units of a shard, in the order of their rows. */
async function* shardLines(
  task: FileTask<unknown>,
  store: ArtifactStore,
  units: readonly FileUnit[],
  judged: ArtifactReference,
): AsyncGenerator<FileLine> {
  const lines = new Map((await store.readRecords<FileLine>(judged)).map((line) => [line.id, line]));
  const refused = new Map(
    (await store.readLines<SkippedRecord>(judged.uri, SKIPPED_FILE)).map((record) => [record.id, record]),
  );
  for (const unit of units) {
    const { reason = 'unknown', detail = '' } = refused.get(unit.id) ?? {};
    yield task.lineOf(unit, lines.get(unit.id) ?? { reason, detail });
  }
}

async function* readVerdicts(path: string): AsyncGenerator<FileLine> {
  for await (const line of readLines(path)) yield JSON.parse(line) as FileLine;
}

/** Counts the verdicts of an output, and finds the refused rows. */
async function summarize<Figures>(
  { file, out, task }: FileJudgingJob<Figures>,
  total: number,
): Promise<FileJudgingOutcome<Figures>> {
  const counter = task.createCounter();
  const units = task.readUnits(file);
  let lines = 0;
  let refused: FileJudgingOutcome<Figures>['refused'];
  for await (const line of readVerdicts(out)) {
    lines += 1;
    counter.add(line, (await units.next()).value?.unit);
    if (line.failed === undefined) continue;
    const { count, row, detail } = refused ?? { count: 0, row: line.row, detail: line.failed.detail };
    refused = { count: count + 1, row, detail };
  }
  if (lines !== total)
    throw new VerdictFileMismatch(
      `${out} has verdicts on ${lines} of ${total} ${task.noun.many}: another program has changed it. Delete it, and judge again`,
    );
  const { figures } = counter;
  return refused === undefined ? { figures } : { figures, refused };
}
