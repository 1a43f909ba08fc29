/** The command `judge`: judges a file of pairs with a judge that a run has trained, or with any other. */
import { basename, resolve } from 'node:path';
import { setMaxListeners } from 'node:events';
import { StorageUnavailable } from '../../platform/file-system.ts';
import { fileSha256 } from '../../platform/file-hashes.ts';
import { inputRoots, type InputFiles } from '../../platform/input-files.ts';
import { UnreadableFile } from '../../datasets/rows/read-rows.ts';
import { DIRECT_REQUEST, type DirectJudging, resolveDirect } from '../../pair-judging/direct-verdict.ts';
import { askAtEndpoints } from '../../pair-judging/judge-pair.ts';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { InvalidJudgeFile, type JudgeFile } from '../../api/judge-file.ts';
import { createInferenceClient } from '../../models/inference/client.ts';
import {
  AuthenticationFailed,
  CreditExhausted,
  EndpointUnavailable,
  EndpointUnsuitable,
  ModelNotFound,
  RequestRejected,
} from '../../models/inference/errors.ts';
import { missingVerdictAdvice } from '../../method/missing-verdict.ts';
import { InvalidVoting, resolveVoting } from '../../method/voting.ts';
import { JudgeFileMissing } from '../../pair-judging/read-judge-file.ts';
import {
  countPairs,
  type PairsJudgingProgress,
  runPairsJudging,
  InvalidPairsFile,
  TooManyPairsRefused,
  VerdictFileMismatch,
} from '../../pair-judging/run-pairs-judging.ts';
import { pairsJudgingFingerprint } from '../../pair-judging/fingerprint-inputs.ts';
import { servingDriverOf } from '../../models/serving/drivers/registry.ts';
import { ServerFailed } from '../../models/serving/errors.ts';
import { CommandError } from '../core/command-error.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { stopSignal } from '../core/stop-signal.ts';
import { fileProgressDisplay } from './file-progress-display.ts';
import { resolveJudge, type JudgeSelection } from './resolve-judge.ts';
import { readPrompt } from '../../runs/read-prompt.ts';
import { openStore } from '../../store/artifact-store.ts';
import { serveJudge, type ServedJudge } from './serve-judge.ts';
import { directSentences, judgingFiguresTable } from '../output/judging-figures-table.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printError, printResult } from '../core/output.ts';

export interface JudgeCommandOptions extends JudgeSelection {
  readonly pairs: string;
  readonly out?: string | undefined;
  readonly votes: number;
  readonly bothOrders: boolean;
  readonly direct: boolean;
  readonly threshold?: number | undefined;
  readonly directPrompt?: string | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly seed: number;
  readonly concurrency: number;
  readonly maxRefusedShare: number;
  readonly store: string;
  readonly json: boolean;
}

/** @throws CommandError */
export async function judge(command: JudgeCommandOptions): Promise<ExitReason> {
  const signal = stopSignal();
  // Each request adds a listener.
  setMaxListeners(0, signal);
  let served: ServedJudge | undefined;
  try {
    return await judgeFile(command, signal, (started) => (served = started));
  } catch (error) {
    if (signal.aborted) {
      printError('\nStopped. The same command continues from here.');
      return 'interrupted';
    }
    throw toCommandError(error);
  } finally {
    await served?.stop();
  }
}

async function judgeFile(
  command: JudgeCommandOptions,
  signal: AbortSignal,
  onServed: (served: ServedJudge) => void,
): Promise<ExitReason> {
  const { votes, bothOrders, temperature, topP, seed, concurrency, maxRefusedShare, json } = command;
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new CommandError('usage', `--concurrency is ${concurrency}, but must be 1 or more.`);
  if (!(maxRefusedShare >= 0 && maxRefusedShare <= 1))
    throw new CommandError(
      'usage',
      `--max-refused-share is ${maxRefusedShare}, but must be a number from 0 to 1.`,
    );
  requireDirectOptions(command);
  const environment = process.env;
  const pairs = resolve(command.pairs);
  const out = resolve(
    command.out ?? `${basename(pairs).replace(/(\.(jsonl|json|parquet))?(\.gz)?$/, '')}.verdicts.jsonl`,
  );
  const store = openStore(command.store);
  const cache = cacheFolder(environment, process.platform);
  const files = { roots: inputRoots(environment) };
  const resolved = await resolveJudge(store, files, command);
  const direct = await directOf(files, resolved.judge, command);
  const voting = resolveVoting(resolved.judge, {
    votes,
    orders: bothOrders ? 'both' : 'one',
    sampling: {
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
    },
  });
  const total = await countPairs(pairs);
  const requests = total * (bothOrders ? 2 : 1);
  printError(
    `${resolved.name} judges the ${total} pairs of ${pairs}: ${requests} requests${votes === 1 ? '' : ` of ${votes} votes each`}` +
      `${direct === undefined ? '' : `, fewer if the ${2 * total} short ones for direct verdicts are sure enough`}. ` +
      `Verdicts: ${out}`,
  );
  const display = fileProgressDisplay(process.stderr, environment);
  const inference = createInferenceClient({
    concurrency: { minimum: 1, maximum: concurrency },
    requestTimeoutSeconds: 1800,
    retry: { attempts: 8, initialSeconds: 0.5, maximumSeconds: 8 },
    environment,
    onNotice: (notice) => display.say(notice),
  });
  const startJudge = async () => {
    const { serving } = resolved.served;
    const driver = servingDriverOf(serving);
    if (driver.needsMachine) printError(`Starting its server: ${driver.describe(serving)}`);
    const folders = { storeRoot: store.objects.localRoot, packageRoot, cacheFolder: cache, environment };
    const { sampling, votes: samples } = voting;
    const served = await serveJudge(
      resolved,
      folders,
      [{ sampling, samples }, ...(direct === undefined ? [] : [DIRECT_REQUEST])],
      signal,
    );
    onServed(served);
    signal.throwIfAborted();
    return askAtEndpoints(inference, served.endpoints, signal);
  };
  const job = {
    ...{ pairs, out, signal, startJudge, concurrency, maxRefusedShare },
    judge: { judge: resolved.judge, voting, seed, direct },
    fingerprint: pairsJudgingFingerprint(
      await fileSha256(pairs),
      resolved.identity,
      resolved.judge,
      voting,
      seed,
      direct,
    ),
    onProgress: (progress: PairsJudgingProgress) => display.show(progress),
    onWait: (processId: number) =>
      printError(`Process ${processId} is writing the same file: waiting until it has ended.`),
  };
  const { figures, refused } = await runPairsJudging(job, total).finally(() => display.close());
  await inference.close();
  printResult(json, { out, ...figures }, () =>
    [
      judgingFiguresTable(figures),
      ...directSentences(figures),
      ...missingVerdictAdvice(figures.withoutVerdict ?? {}),
      `\nVerdicts: ${out}`,
    ].join('\n'),
  );
  if (refused === undefined) return 'done';
  printError(
    `The endpoint refused ${figures.failed} of the ${figures.pairs} pairs, row ${refused.row} with: ${refused.detail}\n${RETRY_ADVICE}`,
  );
  return 'failed';
}

/** The least probability of a direct verdict that counts, unless another is given. */
const DEFAULT_THRESHOLD = 0.9;
/** The prompt of the package for verdicts alone. */
const DIRECT_PROMPT = 'prompts/direct';

/** @throws CommandError */
function requireDirectOptions({ direct, threshold, directPrompt }: JudgeCommandOptions): void {
  const unused =
    threshold !== undefined ? '--threshold' : directPrompt !== undefined ? '--direct-prompt' : '';
  if (!direct && unused !== '')
    throw new CommandError('usage', `${unused} only applies to direct verdicts: add --direct, or omit it.`);
  if (threshold !== undefined && !(threshold >= 0.5 && threshold <= 1))
    throw new CommandError(
      'usage',
      `--threshold is ${threshold}, but must be a probability from 0.5 to 1: below 0.5 the judge would name the other response.`,
    );
}

/** @throws CommandError if the prompt can't be read */
async function directOf(
  files: InputFiles,
  judge: JudgeFile,
  { direct, threshold = DEFAULT_THRESHOLD, directPrompt }: JudgeCommandOptions,
): Promise<DirectJudging | undefined> {
  if (!direct) return undefined;
  const folder = directPrompt ?? (judge.direct === undefined ? DIRECT_PROMPT : undefined);
  if (folder === undefined) return resolveDirect(judge, { threshold });
  try {
    const prompt = await readPrompt(files, folder, ['instruction', 'responseA', 'responseB']);
    return resolveDirect(judge, { threshold, prompt });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError('usage', `--direct-prompt ${folder} can't be used: ${reason}`, { cause: error });
  }
}

const RETRY_ADVICE =
  'Fix the cause; the same command then sends them again. --max-refused-share sets how many may be refused.';

const DISK_CODES = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'ENOENT'];

/** Turns errors that the user can fix into a CommandError; others are faults of this program and keep their stack. */
function toCommandError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof CommandError) return error;
  const { message } = error;
  const withAdvice = (advice: string) => `${message.replace(/\.$/, '')}. ${advice}`;
  if (error instanceof JudgeFileMissing)
    return new CommandError('not-found', withAdvice('Give the judge.json to use with --judge.'), {
      cause: error,
    });
  if (error instanceof EndpointUnavailable) return new CommandError('unreachable', message, { cause: error });
  if (error instanceof CreditExhausted)
    return new CommandError('unreachable', withAdvice('The same command continues from here.'), {
      cause: error,
    });
  if (error instanceof EndpointUnsuitable) return new CommandError('failed', message, { cause: error });
  if (error instanceof AuthenticationFailed)
    return new CommandError(
      'unreachable',
      withAdvice('--api-key-env names the variable that holds the key.'),
      {
        cause: error,
      },
    );
  if (error instanceof ModelNotFound)
    return new CommandError('not-found', withAdvice('Set --served-model-name to its name at the endpoint.'), {
      cause: error,
    });
  // The rejection of the test request that is sent first.
  if (error instanceof RequestRejected) return new CommandError('failed', message, { cause: error });
  if (error instanceof TooManyPairsRefused)
    return new CommandError('failed', withAdvice(RETRY_ADVICE), { cause: error });
  if (error instanceof ServerFailed) return new CommandError('failed', message, { cause: error });
  const systemError = (error instanceof StorageUnavailable ? error.cause : error) as NodeJS.ErrnoException;
  if (DISK_CODES.includes(systemError.code ?? ''))
    return new CommandError(
      'failed',
      `The verdicts can't be written (${systemError.message}): free some space, or choose another file with --out. The same command then ` +
        'continues from here.',
      { cause: error },
    );
  const isInput = [InvalidJudgeFile, InvalidPairsFile, UnreadableFile, VerdictFileMismatch, InvalidVoting];
  return isInput.some((kind) => error instanceof kind)
    ? new CommandError('usage', message, { cause: error })
    : error;
}
