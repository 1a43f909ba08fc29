import {
  WorkflowNotFoundError,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import type { ConfigurationKind } from '../../config/configuration-kind.ts';
import { kindOfWorkflowType, WORKFLOW_TYPES } from '../../api/temporal-names.ts';
import { CommandError } from '../core/command-error.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import type { TemporalConnection } from './connect.ts';
import { oneLine } from '../../platform/shown-text.ts';

/** A run, evaluation or judging that Temporal has. */
export interface ResolvedRun {
  readonly workflowId: string;
  readonly kind: ConfigurationKind;
}

export const RUN_WORKFLOWS_QUERY = Object.values(WORKFLOW_TYPES)
  .map((type) => `WorkflowType = "${type}"`)
  .join(' OR ');
const MAX_LISTED = 10;
const MAX_SCANNED = 1000;

/**
 * Finds a run by its workflow id, or by its name if it was started under another id.
 * @throws CommandError that lists the existing runs
 */
export async function resolveRun(
  temporal: TemporalConnection,
  name: string | undefined,
): Promise<ResolvedRun> {
  const { client, address, namespace } = temporal;
  const described = name === undefined ? undefined : await describe(temporal, name);
  if (described !== undefined) return resolvedFrom(described);
  const runs: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query: RUN_WORKFLOWS_QUERY })) {
    // A child workflow is a part of its run.
    if (run.parentExecution === undefined) runs.push(run);
    if (runs.length === MAX_SCANNED) break;
  }
  const matching = runs.filter(({ memo }) => name !== undefined && memo?.['runName'] === name);
  const run = matching.find(({ status }) => status.name === 'RUNNING') ?? matching[0];
  if (run !== undefined) return resolvedFrom(run);
  const place = `at ${address}, namespace ${namespace}`;
  throw new CommandError(
    name === undefined ? 'usage' : 'not-found',
    name === undefined
      ? `Which run? Name it: ${PROGRAM_CALL} follow NAME.\n${runListText(runs, place)}`
      : `There is no run ${JSON.stringify(oneLine(name))} ${place}.\n${runListText(runs, place)}`,
  );
}

async function describe(
  { client }: TemporalConnection,
  workflowId: string,
): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function resolvedFrom({
  workflowId,
  type,
  parentExecution,
}: Pick<WorkflowExecutionInfo, 'workflowId' | 'type' | 'parentExecution'>): ResolvedRun {
  if (parentExecution?.workflowId)
    throw new CommandError(
      'not-found',
      `${JSON.stringify(workflowId)} is a child workflow of ${JSON.stringify(parentExecution.workflowId)}: name that one.`,
    );
  const kind = kindOfWorkflowType(type);
  if (kind !== undefined) return { workflowId, kind };
  throw new CommandError(
    'not-found',
    `${JSON.stringify(workflowId)} is not a run, but a workflow of the type ${type}.`,
  );
}

function runListText(runs: readonly WorkflowExecutionInfo[], place: string): string {
  if (runs.length === 0)
    return `There are no runs ${place}. "${PROGRAM_CALL} start FILE" starts one, "${PROGRAM_CALL} demo" runs the embedded example.`;
  const lines = runs
    .slice(0, MAX_LISTED)
    .map(
      ({ workflowId, status, startTime }) =>
        `  ${oneLine(workflowId)}  ${status.name.toLowerCase()}, started ${startTime.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    );
  const more = runs.length > MAX_LISTED ? [`  and ${runs.length - MAX_LISTED} more`] : [];
  return ['The newest runs are:', ...lines, ...more].join('\n');
}
