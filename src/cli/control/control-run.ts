import { WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import {
  findPairsJudging,
  findRun,
  type PairsJudging,
  type Run,
  type RunProgress,
} from '../../client/index.ts';
import { KIND_LABELS } from '../../config/configuration-kind.ts';
import { CommandError } from '../core/command-error.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { connectToTemporal, type TemporalConnection } from '../temporal/connect.ts';
import { type ResolvedRun, resolveRun } from '../temporal/resolve-run.ts';
import { printResult } from '../core/output.ts';

/** Without a worker an update is never answered. */
const ANSWER_MILLISECONDS = 30_000;

/** A request to a run, or to a run or a judging, and the message when it has taken effect. */
export type ControlRequest = { readonly confirmation: (progress: RunProgress) => string } & (
  | { readonly appliesTo: 'runs'; readonly send: (run: Run) => Promise<void> }
  | { readonly appliesTo: 'runs and judgings'; readonly send: (run: Run | PairsJudging) => Promise<void> }
);

/**
 * Sends a request to a run and prints the run's state afterwards.
 * @throws CommandError if there is no such run, it rejects the request, or no worker answers
 */
export async function controlRun(name: string, request: ControlRequest, json: boolean): Promise<void> {
  const temporal = await connectToTemporal(process.env);
  const { run, send } = bindRequest(temporal, await resolveRun(temporal, name), request);
  const progress = await withAnswerTimeout(name, () =>
    temporal.client.withDeadline(Date.now() + ANSWER_MILLISECONDS, async () => {
      await send();
      return run.progress();
    }),
  );
  const { runName, status, paused = null, requestedIterations, stopAfter = null, budget = null } = progress;
  const state = { runName, status, paused, requestedIterations, stopAfter, budget };
  printResult(json, state, () => request.confirmation(progress));
}

/** @throws CommandError if this kind of run does not support the request */
function bindRequest(
  { client }: TemporalConnection,
  { workflowId, kind }: ResolvedRun,
  request: ControlRequest,
) {
  if (kind === 'evaluation')
    throw new CommandError(
      'usage',
      `${workflowId} is ${KIND_LABELS[kind]}, which does not support this: cancel it, or wait until it ends.`,
    );
  if (request.appliesTo === 'runs and judgings') {
    const run = kind === 'run' ? findRun(client, workflowId) : findPairsJudging(client, workflowId);
    return { run, send: () => request.send(run) };
  }
  if (kind === 'judging')
    throw new CommandError(
      'usage',
      `${workflowId} is ${KIND_LABELS[kind]}, which has neither iterations nor a budget: it supports pause, resume and cancel.`,
    );
  const run = findRun(client, workflowId);
  return { run, send: () => request.send(run) };
}

/**
 * Cancels a run, an evaluation or a judging. The server accepts this also if no worker is running.
 * @throws CommandError if there is no such run, or it has ended
 */
export async function cancel(name: string, json: boolean): Promise<void> {
  const temporal = await connectToTemporal(process.env);
  const { workflowId } = await resolveRun(temporal, name);
  await findRun(temporal.client, workflowId).cancel();
  printResult(
    json,
    { runName: name, cancelled: true },
    () =>
      `${name} is being cancelled; a training saves a checkpoint first. If it is started again under the same name, it continues from there.`,
  );
}

async function withAnswerTimeout<T>(name: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
    throw new CommandError(
      'unreachable',
      `No worker has answered for ${name} within ${ANSWER_MILLISECONDS / 1000} s, so the request may or may not take effect: ` +
        `start a worker ("${PROGRAM_CALL} worker"), check with "${PROGRAM_CALL} follow ${name}", and try again.`,
      { cause: error },
    );
  }
}
