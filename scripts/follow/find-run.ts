import {
  NamespaceNotFoundError,
  WorkflowNotFoundError,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import { type Kind, kindOfWorkflow, WORKFLOW_TYPES } from '../../src/config/kind.ts';
import { CommandError } from '../cli/command-error.ts';
import { CALL } from '../cli/program.ts';
import type { Temporal } from './connect.ts';
import { plainText } from './plain-text.ts';

/** What can be followed. */
export interface Found {
  readonly workflowId: string;
  readonly kind: Kind;
}

export const RUNS = Object.values(WORKFLOW_TYPES)
  .map((type) => `WorkflowType = "${type}"`)
  .join(' OR ');
const MOST_LISTED = 10;
const MOST_LOOKED_AT = 1000;

/**
 * Finds a run by its workflow's id or, where it was started under another id, by its name.
 * @throws CommandError that says which runs are there instead
 */
export async function findRunNamed(temporal: Temporal, name: string | undefined): Promise<Found> {
  const { client, address, namespace } = temporal;
  try {
    const described = name === undefined ? undefined : await describe(temporal, name);
    if (described !== undefined) return foundIn(described);
    const runs: WorkflowExecutionInfo[] = [];
    for await (const run of client.workflow.list({ query: RUNS })) {
      // What a run has started itself is a part of it.
      if (run.parentExecution === undefined) runs.push(run);
      if (runs.length === MOST_LOOKED_AT) break;
    }
    const named = runs.filter(({ memo }) => name !== undefined && memo?.['runName'] === name);
    const found = named.find(({ status }) => status.name === 'RUNNING') ?? named[0];
    if (found !== undefined) return foundIn(found);
    const where = `at ${address}, namespace ${namespace}`;
    throw new CommandError(
      name === undefined ? 'usage' : 'not-found',
      name === undefined
        ? `Which run? Name it: ${CALL} follow NAME.\n${listed(runs, where)}`
        : `There is no run ${JSON.stringify(plainText(name))} ${where}.\n${listed(runs, where)}`,
    );
  } catch (error) {
    if (error instanceof NamespaceNotFoundError)
      throw new CommandError(
        'unreachable',
        `The Temporal server at ${address} has no namespace ${JSON.stringify(namespace)}: set TEMPORAL_NAMESPACE, or choose another profile.`,
      );
    throw error;
  }
}

async function describe(
  { client }: Temporal,
  workflowId: string,
): Promise<WorkflowExecutionDescription | undefined> {
  try {
    return await client.workflow.getHandle(workflowId).describe();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function foundIn({
  workflowId,
  type,
  parentExecution,
}: Pick<WorkflowExecutionInfo, 'workflowId' | 'type' | 'parentExecution'>): Found {
  if (parentExecution?.workflowId)
    throw new CommandError(
      'not-found',
      `${JSON.stringify(workflowId)} is a part of another workflow, of ${JSON.stringify(parentExecution.workflowId)}: name that one.`,
    );
  const kind = kindOfWorkflow(type);
  if (kind !== undefined) return { workflowId, kind };
  throw new CommandError(
    'not-found',
    `${JSON.stringify(workflowId)} is no run, but a workflow of the type ${type}.`,
  );
}

function listed(runs: readonly WorkflowExecutionInfo[], where: string): string {
  if (runs.length === 0)
    return `There are no runs ${where}. "${CALL} start FILE" starts one, "npm run demo" the embedded example.`;
  const lines = runs
    .slice(0, MOST_LISTED)
    .map(
      ({ workflowId, status, startTime }) =>
        `  ${plainText(workflowId)}  ${status.name.toLowerCase()}, started ${startTime.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    );
  const more = runs.length > MOST_LISTED ? [`  and ${runs.length - MOST_LISTED} more`] : [];
  return ['The newest runs there:', ...lines, ...more].join('\n');
}
