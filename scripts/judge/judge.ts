/** The command `judge`: verdicts on a file of pairs by a judge that a run has trained, or by any other. */
import { basename, resolve } from 'node:path';
import { setMaxListeners } from 'node:events';
import { StorageUnavailable } from '../../src/artifacts/on-disk.ts';
import { fileSha256 } from '../../src/artifacts/file-hashes.ts';
import { UnreadableFileError } from '../../src/benchmarks/read-rows.ts';
import { createJudge } from '../../src/client/judge/create-judge.ts';
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { JudgeFileInvalid } from '../../src/contract/judge-file.ts';
import {
  EndpointRejected,
  EndpointUnavailable,
  ModelNotFound,
  RequestRefused,
} from '../../src/inference/errors.ts';
import { type VotingChanges, VotingRefused, votingOf } from '../../src/judge/voting.ts';
import { JudgeFileMissing } from '../../src/judging/judge-file.ts';
import {
  countPairs,
  type FileProgress,
  judgePairsFile,
  PairsUnusable,
  TooManyRefused,
} from '../../src/judging/judge-pairs-file.ts';
import { judgingMeaning } from '../../src/judging/meaning.ts';
import { VerdictFileRefused } from '../../src/judging/verdict-file.ts';
import { ServerFailed } from '../../src/serving/errors.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Ending } from '../cli/exit-codes.ts';
import { fileDisplay } from './file-display.ts';
import { findJudge, type JudgeChoice } from './find-judge.ts';
import { storeAt } from '../runs/places.ts';
import { serveJudge, type ServedJudge } from './serve-judge.ts';
import { summaryTable } from './summary.ts';

const packageRoot = resolve(import.meta.dirname, '../..');

export interface JudgeCommand extends JudgeChoice {
  readonly pairs: string;
  readonly out?: string | undefined;
  readonly votes: number;
  readonly bothOrders: boolean;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly seed: number;
  readonly concurrency: number;
  readonly maximumRefusedShare: number;
  readonly store: string;
  readonly json: boolean;
}

/** @throws CommandError */
export async function judge(command: JudgeCommand): Promise<Ending> {
  const stopping = new AbortController();
  // Each request listens.
  setMaxListeners(0, stopping.signal);
  const stop = () => stopping.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  let served: ServedJudge | undefined;
  try {
    return await judgeFile(command, stopping.signal, (up) => (served = up));
  } catch (error) {
    if (stopping.signal.aborted) {
      console.error('\nStopped. The same command goes on where it is now.');
      return 'interrupted';
    }
    throw asCommandError(error);
  } finally {
    await served?.stop();
    process.off('SIGINT', stop).off('SIGTERM', stop).off('SIGHUP', stop);
  }
}

async function judgeFile(
  command: JudgeCommand,
  signal: AbortSignal,
  isServed: (served: ServedJudge) => void,
): Promise<Ending> {
  const { votes, bothOrders, temperature, topP, seed, concurrency, maximumRefusedShare, json } = command;
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new CommandError('usage', `--concurrency is ${concurrency}, and must be 1 or more.`);
  if (!(maximumRefusedShare >= 0 && maximumRefusedShare <= 1))
    throw new CommandError(
      'usage',
      `--maximum-refused-share is ${maximumRefusedShare}, and must be a number from 0 to 1.`,
    );
  const environment = process.env;
  const pairs = resolve(command.pairs);
  const out = resolve(
    command.out ?? `${basename(pairs).replace(/(\.(jsonl|json|parquet))?(\.gz)?$/, '')}.verdicts.jsonl`,
  );
  const store = storeAt(command.store);
  const cache = cacheFolder(environment, process.platform);
  const found = await findJudge(store, { roots: [process.cwd(), packageRoot, cache] }, command);
  const asked: VotingChanges = {
    votes,
    orders: bothOrders ? 'both' : 'one',
    sampling: {
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
    },
  };
  const voting = votingOf(found.judge, asked);
  const of = await countPairs(pairs);
  const calls = of * (bothOrders ? 2 : 1);
  console.error(
    `${found.name} judges the ${of} pairs of ${pairs}: ${calls} requests${votes === 1 ? '' : ` of ${votes} votes each`}. ` +
      `Verdicts: ${out}`,
  );
  const { driver } = found.served;
  const judgeUp = async () => {
    if (driver.kind === 'command') console.error(`Starting its server: ${driver.command.join(' ')}`);
    const places = { storeRoot: store.root, packageRoot, cacheFolder: cache, environment };
    const served = await serveJudge(found, places, signal);
    isServed(served);
    signal.throwIfAborted();
    // Of the first address, which is asked.
    const [keyVariable] = driver.kind === 'endpoint' ? [driver.apiKeyVariable].flat() : [];
    const key = keyVariable === undefined ? undefined : environment[keyVariable];
    return createJudge({
      ...{ baseUrl: served.baseUrl, model: served.servedName, apiKey: key, judge: found.judge },
      ...{ ...asked, seed, maximumInFlight: concurrency, attempts: 8 },
    });
  };
  const display = fileDisplay(process.stderr, environment);
  const judging = {
    ...{ pairs, out, signal, judge: judgeUp, pairsAtOnce: 2 * concurrency, maximumRefusedShare },
    meaning: judgingMeaning(await fileSha256(pairs), found.identity, found.judge, voting, seed),
    onProgress: (progress: FileProgress) => display.show(progress),
    onWait: (processId: number) =>
      console.error(`Process ${processId} judges into the same file: this one waits until it has ended.`),
  };
  const { figures, refused } = await judgePairsFile(judging, of).finally(() => display.close());
  console.log(json ? JSON.stringify({ out, ...figures }) : `${summaryTable(figures)}\n\nVerdicts: ${out}`);
  if (refused === undefined) return 'done';
  console.error(
    `The endpoint refused ${figures.failed} of the ${figures.pairs} pairs, row ${refused.row} with: ${refused.detail}\n${ASK_AGAIN}`,
  );
  return 'failed';
}

const ASK_AGAIN =
  'Mend the cause, and the same command asks about them again; --maximum-refused-share says how many may be refused.';

const DISK_CODES = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'ENOENT'];

/** What the user can do about it; anything else is a fault of this program, and shown whole. */
function asCommandError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error;
  const { message } = error;
  const more = (advice: string) => `${message.replace(/\.$/, '')}. ${advice}`;
  if (error instanceof JudgeFileMissing)
    return new CommandError('not-found', more('Name the judge.json to use by --judge.'), { cause: error });
  if (error instanceof EndpointUnavailable) return new CommandError('unreachable', message, { cause: error });
  if (error instanceof EndpointRejected)
    return new CommandError(
      'unreachable',
      more('--api-key-variable names the variable that holds the key.'),
      {
        cause: error,
      },
    );
  if (error instanceof ModelNotFound)
    return new CommandError('not-found', more('--served-name says what it is called there.'), {
      cause: error,
    });
  // Of the one token that is asked for before all else.
  if (error instanceof RequestRefused) return new CommandError('failed', message, { cause: error });
  if (error instanceof TooManyRefused) return new CommandError('failed', more(ASK_AGAIN), { cause: error });
  if (error instanceof ServerFailed) return new CommandError('failed', message, { cause: error });
  const ofSystem = (error instanceof StorageUnavailable ? error.cause : error) as NodeJS.ErrnoException;
  if (DISK_CODES.includes(ofSystem.code ?? ''))
    return new CommandError(
      'failed',
      `The verdicts can't be written (${ofSystem.message}): make room, or name another place by --out. The same command goes on ` +
        'where it is now.',
      { cause: error },
    );
  const isInput = [JudgeFileInvalid, PairsUnusable, UnreadableFileError, VerdictFileRefused, VotingRefused];
  return isInput.some((kind) => error instanceof kind)
    ? new CommandError('usage', message, { cause: error })
    : error;
}
