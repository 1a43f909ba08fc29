/** The command `judge`: judges a file of pairs, or of records of another task, with a judge that a run has trained, or with any other. */
import { join, resolve } from 'node:path';
import { setMaxListeners } from 'node:events';
import { StorageUnavailable } from '../../platform/file-system.ts';
import { fileSha256 } from '../../platform/file-hashes.ts';
import { inputRoots } from '../../platform/input-files.ts';
import { UnreadableFile } from '../../datasets/rows/read-rows.ts';
import { InvalidJudgeFile, type JudgeFile } from '../../api/judge-file.ts';
import {
  AuthenticationFailed,
  CreditExhausted,
  EndpointUnavailable,
  EndpointUnsuitable,
  ModelNotFound,
  RequestRejected,
} from '../../models/inference/errors.ts';
import { InvalidVoting, resolveVoting } from '../../method/voting.ts';
import { type TaskName, type TaskPrompts, taskPrompts, TASKS } from '../../method/tasks.ts';
import { pairsJudgingFingerprint, taskJudgingFingerprint } from '../../pair-judging/fingerprint-inputs.ts';
import { recordsFileTask, taskOfFile } from '../../pair-judging/judge-records.ts';
import { pairsFileTask } from '../../pair-judging/judge-shard.ts';
import { JudgeFileMissing } from '../../pair-judging/read-judge-file.ts';
import { InvalidRows, TooManyRefused, VerdictFileMismatch } from '../../pair-judging/run-file-judging.ts';
import { readPrompt } from '../../runs/read-prompt.ts';
import { ServerFailed } from '../../models/serving/errors.ts';
import { CommandError } from '../core/command-error.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { stopSignal } from '../core/stop-signal.ts';
import { directOf, type DirectOptions, requireDirectOptions } from './direct-options.ts';
import { judgeRows, RETRY_ADVICE } from './judge-rows.ts';
import { type JudgeSelection, resolveJudge } from './resolve-judge.ts';
import { openStore } from '../../store/artifact-store.ts';
import type { ServedJudge } from './serve-judge.ts';
import { directSentences, judgingFiguresTable } from '../output/judging-figures-table.ts';
import { recordFiguresTable } from '../output/record-figures-table.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printError } from '../core/output.ts';

export interface JudgeCommandOptions extends JudgeSelection, DirectOptions {
  readonly file: string;
  /** By the fields of the rows if it is not set. */
  readonly task?: TaskName | 'pair' | undefined;
  readonly out?: string | undefined;
  readonly votes: number;
  readonly bothOrders: boolean;
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
  const { votes, bothOrders, temperature, topP, seed } = command;
  requireUsableLimits(command);
  requireDirectOptions(command);
  const file = resolve(command.file);
  const kind = command.task ?? (await taskOfFile(file));
  if (kind === undefined)
    throw new CommandError(
      'usage',
      `${file}: its rows have a response, but not what it is judged for: a score (field "score" or "rubric") or correctness (field ` +
        '"correct"). Set --task score or --task verify.',
    );
  if (command.direct && kind !== 'pair')
    throw new CommandError(
      'usage',
      `--direct only applies to pairs, but ${file} is judged for the task ${kind}: omit it.`,
    );
  const store = openStore(command.store);
  const files = { roots: inputRoots(process.env) };
  const resolved = await resolveJudge(store, files, command);
  const { judge, identity } = resolved;
  const voting = resolveVoting(judge, {
    votes,
    orders: bothOrders ? 'both' : 'one',
    sampling: {
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
    },
  });
  const direct = await directOf(files, judge, command);
  const common = { command, file, store, resolved, voting, signal, onServed, direct };
  const hash = () => fileSha256(file);
  if (kind === 'pair')
    return judgeRows({
      ...common,
      task: pairsFileTask({ judge, voting, seed, direct }),
      fingerprintOf: async () => pairsJudgingFingerprint(await hash(), identity, judge, voting, seed, direct),
      describe: (figures) => [judgingFiguresTable(figures), ...directSentences(figures)],
      verdictForm: undefined,
    });
  const { reasoningMarks } = judge.verdict;
  const asked = { task: kind, prompts: await promptsOfTask(kind, judge), reasoningMarks, voting, seed };
  return judgeRows({
    ...common,
    task: recordsFileTask(asked),
    fingerprintOf: async () => taskJudgingFingerprint(await hash(), identity, judge, asked),
    describe: (figures) => [recordFiguresTable(figures)],
    verdictForm: TASKS[kind].form,
  });
}

function requireUsableLimits({ concurrency, maxRefusedShare }: JudgeCommandOptions): void {
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new CommandError('usage', `--concurrency is ${concurrency}, but must be 1 or more.`);
  if (!(maxRefusedShare >= 0 && maxRefusedShare <= 1))
    throw new CommandError(
      'usage',
      `--max-refused-share is ${maxRefusedShare}, but must be a number from 0 to 1.`,
    );
}

/** The prompts of a task: those of judge.json, or else this package's own. */
async function promptsOfTask(task: TaskName, judge: JudgeFile): Promise<TaskPrompts> {
  const own = judge.tasks?.[task];
  if (own !== undefined) return own;
  const { folder } = TASKS[task];
  printError(`judge.json has no prompts for the task ${task}: those of ${folder} are used.`);
  const needed = taskPrompts(task);
  const read = (name: 'plain' | 'reference') =>
    readPrompt({ roots: [packageRoot] }, join(folder, name), needed[name]);
  return { plain: await read('plain'), reference: await read('reference') };
}

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
  if (error instanceof TooManyRefused)
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
  const isInput = [InvalidJudgeFile, InvalidRows, UnreadableFile, VerdictFileMismatch, InvalidVoting];
  return isInput.some((kind) => error instanceof kind)
    ? new CommandError('usage', message, { cause: error })
    : error;
}
