import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { startEvaluation, startJudging, startRun } from '../../src/client.ts';
import { datedName } from '../../src/format/dated-name.ts';
import type { Ending } from '../cli/exit-codes.ts';
import { CALL } from '../cli/program.ts';
import { connectToTemporal, type Temporal } from '../follow/connect.ts';
import { follow } from '../follow/follow.ts';
import { shellWord } from '../follow/steering.ts';
import { pollersOf } from '../temporal/pollers.ts';
import { type Configured, configurationIn } from './configuration-file.ts';

export interface StartRequest {
  readonly file: string;
  readonly taskQueue: string;
  /** Follow it until it ends. */
  readonly follow: boolean;
}

/**
 * Starts what a configuration file says, once by its name, and says how to watch it.
 * @throws CommandError with every mistake by the path of its field; RunConflict naming the fields that differ
 */
export async function start(request: StartRequest, json: boolean): Promise<Ending> {
  const configured = configurationIn(request.file);
  const temporal = await connectToTemporal(process.env);
  const { runName, isNew } = await startOnce(temporal, configured, request.taskQueue);
  const said = {
    runName,
    kind: configured.kind,
    started: isNew,
    address: temporal.address,
    namespace: temporal.namespace,
  };
  if (json && !request.follow) console.log(JSON.stringify(said));
  const say = json ? () => undefined : request.follow ? console.error : console.log;
  say(
    isNew
      ? `Started the ${configured.kind} ${runName} at ${temporal.address}, namespace ${temporal.namespace}.`
      : `The ${configured.kind} ${runName} is under way already at ${temporal.address}, namespace ${temporal.namespace}: nothing was started.`,
  );
  if ((await pollersOf(temporal, 'workflow', request.taskQueue)).length === 0)
    console.error(
      `No worker listens on the task queue ${request.taskQueue}: it begins when one does ("${CALL} worker", or ` +
        '--task-queue for the queue of yours).',
    );
  if (request.follow) return follow(runName, json);
  say(`Watch it: ${CALL} follow ${shellWord(runName)}`);
  return 'done';
}

async function startOnce(
  { client }: Temporal,
  configured: Configured,
  taskQueue: string,
): Promise<{ runName: string; isNew: boolean }> {
  const before = await openRunId(client, datedName(configured.input.runName, new Date()));
  const { runName, workflowId } = await startConfigured(client, configured, taskQueue);
  return { runName, isNew: before === undefined || before !== (await openRunId(client, workflowId)) };
}

function startConfigured(client: Client, configured: Configured, taskQueue: string) {
  switch (configured.kind) {
    case 'run':
      return startRun(client, configured.input, { taskQueue });
    case 'evaluation':
      return startEvaluation(client, configured.input, { taskQueue });
    case 'judging':
      return startJudging(client, configured.input, { taskQueue });
  }
}

/** What stays the same while a workflow is open; undefined where none is open under this id. */
async function openRunId(client: Client, workflowId: string): Promise<string | undefined> {
  try {
    const { status, runId, raw } = await client.workflow.getHandle(workflowId).describe();
    // An older server doesn't tell the first run of a workflow that goes on as new.
    const first = raw.workflowExecutionInfo?.firstRunId || runId;
    return status.name === 'RUNNING' || status.name === 'PAUSED' ? first : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
