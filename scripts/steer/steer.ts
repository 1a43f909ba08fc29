import { WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { findJudging, findRun, type Judging, type Run, type RunProgress } from '../../src/client.ts';
import { CALLED } from '../../src/config/kind.ts';
import { CommandError } from '../cli/command-error.ts';
import { connectToTemporal, type Temporal } from '../follow/connect.ts';
import { type Found, findRunNamed } from '../follow/find-run.ts';

/** An update that no worker takes has no answer. */
const ANSWER_MILLISECONDS = 30_000;

/** What a run, or also a judging, is told, and what to say once it is in force. */
export type Order = { readonly done: (progress: RunProgress) => string } & (
  | { readonly takenBy: 'runs'; readonly tell: (run: Run) => Promise<void> }
  | { readonly takenBy: 'runs and judgings'; readonly tell: (it: Run | Judging) => Promise<void> }
);

/**
 * Tells a run something, and where it is afterwards.
 * @throws CommandError where there is no such run, it refuses, or no worker answers
 */
export async function steer(name: string, order: Order, json: boolean): Promise<void> {
  const temporal = await connectToTemporal(process.env);
  const { run, tell } = toldOrder(temporal, await findRunNamed(temporal, name), order);
  const progress = await answered(name, () =>
    temporal.client.withDeadline(Date.now() + ANSWER_MILLISECONDS, async () => {
      await tell();
      return run.progress();
    }),
  );
  const { runName, phase, paused = null, iterations, stopAfter = null, budget = null } = progress;
  const now = { runName, phase, paused, iterations, stopAfter, budget };
  console.log(json ? JSON.stringify(now) : order.done(progress));
}

/** @throws CommandError where what has this name takes no such order */
function toldOrder({ client }: Temporal, { workflowId, kind }: Found, order: Order) {
  if (kind === 'evaluation')
    throw new CommandError(
      'usage',
      `${workflowId} is ${CALLED[kind]}, and takes no such order: cancel it, or let it end.`,
    );
  if (order.takenBy === 'runs and judgings') {
    const it = kind === 'run' ? findRun(client, workflowId) : findJudging(client, workflowId);
    return { run: it, tell: () => order.tell(it) };
  }
  if (kind === 'judging')
    throw new CommandError(
      'usage',
      `${workflowId} is ${CALLED[kind]}, which has neither iterations nor a budget: it takes pause, resume and cancel.`,
    );
  const run = findRun(client, workflowId);
  return { run, tell: () => order.tell(run) };
}

/**
 * Asks a run, an evaluation or a judging to stop. The server takes note of it, whether a worker is there or not.
 * @throws CommandError where there is no such run, or it has ended
 */
export async function cancel(name: string, json: boolean): Promise<void> {
  const temporal = await connectToTemporal(process.env);
  const { workflowId } = await findRunNamed(temporal, name);
  await findRun(temporal.client, workflowId).cancel();
  console.log(
    json
      ? JSON.stringify({ runName: name, cancelled: true })
      : `${name} is told to stop; a training saves a checkpoint first. Started again under its name it goes on from there.`,
  );
}

async function answered<T>(name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
    throw new CommandError(
      'unreachable',
      `No worker has answered for ${name} within ${ANSWER_MILLISECONDS / 1000} s, and what was asked may or may not come into force: ` +
        'start a worker ("npm run worker"), look with "follow", and ask again.',
      { cause: error },
    );
  }
}
