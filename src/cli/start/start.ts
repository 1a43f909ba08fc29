import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { startEvaluation, startPairsJudging, startRun } from '../../client/index.ts';
import { expandDateName } from '../../platform/dated-name.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { connectToTemporal, type TemporalConnection } from '../temporal/connect.ts';
import { follow } from '../follow/follow.ts';
import { shellQuote } from '../core/shell-quote.ts';
import { printError, printJson, printText } from '../core/output.ts';
import { listPollers } from '../../temporal/pollers.ts';
import { type ConfigurationFile, readConfigurationFile } from '../core/configuration-file.ts';

export interface StartRequest {
  readonly file: string;
  readonly taskQueue: string;
  /** Whether to follow it until it ends. */
  readonly follow: boolean;
}

/**
 * Starts the run, evaluation or judging of a configuration file, unless one with its name is open already.
 * @throws CommandError that names every invalid field by its path; RunConflict that names the fields that differ
 */
export async function start(request: StartRequest, json: boolean): Promise<ExitReason> {
  const configured = readConfigurationFile(request.file);
  const temporal = await connectToTemporal(process.env);
  const { runName, isNew } = await startOnce(temporal, configured, request.taskQueue);
  const summary = {
    runName,
    kind: configured.kind,
    started: isNew,
    address: temporal.address,
    namespace: temporal.namespace,
  };
  if (json && !request.follow) printJson(summary);
  const say = json ? () => undefined : request.follow ? printError : printText;
  say(
    isNew
      ? `Started the ${configured.kind} ${runName} at ${temporal.address}, namespace ${temporal.namespace}.`
      : `The ${configured.kind} ${runName} is already running at ${temporal.address}, namespace ${temporal.namespace}: nothing was started.`,
  );
  if ((await listPollers(temporal.client, 'workflow', request.taskQueue)).length === 0)
    printError(
      `No worker listens on the task queue ${request.taskQueue}: it begins when one is started ("${PROGRAM_CALL} worker"). ` +
        'If your workers use another queue, name it with --task-queue.',
    );
  if (request.follow) return follow(runName, json);
  say(`Follow it: ${PROGRAM_CALL} follow ${shellQuote(runName)}`);
  return 'done';
}

async function startOnce(
  { client }: TemporalConnection,
  configured: ConfigurationFile,
  taskQueue: string,
): Promise<{ runName: string; isNew: boolean }> {
  const previous = await openRunId(client, expandDateName(configured.input.runName, new Date()));
  const { runName, workflowId } = await startConfigured(client, configured, taskQueue);
  return { runName, isNew: previous === undefined || previous !== (await openRunId(client, workflowId)) };
}

function startConfigured(client: Client, configured: ConfigurationFile, taskQueue: string) {
  switch (configured.kind) {
    case 'run':
      return startRun(client, configured.input, { taskQueue });
    case 'evaluation':
      return startEvaluation(client, configured.input, { taskQueue });
    case 'judging':
      return startPairsJudging(client, configured.input, { taskQueue });
  }
}

/** The id of the first run of the open workflow, which stays the same when it continues as new; undefined if none is open. */
async function openRunId(client: Client, workflowId: string): Promise<string | undefined> {
  try {
    const { status, runId, raw } = await client.workflow.getHandle(workflowId).describe();
    // Older servers do not report the first run of a workflow that has continued as new.
    const first = raw.workflowExecutionInfo?.firstRunId || runId;
    return status.name === 'RUNNING' || status.name === 'PAUSED' ? first : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
