import { WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { findRun, type Run, type RunProgress } from '../../src/client.ts';
import { CommandError } from '../cli/command-error.ts';
import { connectToTemporal } from '../follow/connect.ts';
import { findRunNamed } from '../follow/find-run.ts';

/** An update that no worker takes has no answer. */
const ANSWER_MILLISECONDS = 30_000;

/** What a run is told, and what to say once it is in force. */
export interface Order {
  readonly tell: (run: Run) => Promise<void>;
  readonly done: (progress: RunProgress) => string;
}

/**
 * Tells a run something, and where it is afterwards.
 * @throws CommandError where there is no such run, it refuses, or no worker answers
 */
export async function steer(name: string, { tell, done }: Order, json: boolean): Promise<void> {
  const temporal = await connectToTemporal(process.env);
  const { workflowId, type } = await findRunNamed(temporal, name);
  if (type === 'evaluateJudge')
    throw new CommandError(
      'usage',
      `${name} is an evaluation without training, and takes no such order: cancel it, or let it end.`,
    );
  const run = findRun(temporal.client, workflowId);
  const progress = await answered(name, () =>
    temporal.client.withDeadline(Date.now() + ANSWER_MILLISECONDS, async () => {
      await tell(run);
      return run.progress();
    }),
  );
  const { runName, phase, paused, iterations, stopAfter } = progress;
  const now = { runName, phase, paused: paused ?? null, iterations, stopAfter: stopAfter ?? null };
  console.log(json ? JSON.stringify(now) : done(progress));
}

/**
 * Asks a run, or an evaluation, to stop. The server takes note of it, whether a worker is there or not.
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
