import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { differingFields } from '../artifacts/errors.ts';
import type { ReadConfiguration } from '../config/read-configuration.ts';
import { ConfigurationRefused, RunConflict } from './errors.ts';

export interface StartOptions {
  /** The queue of the workers with the role `workflow`; `self-taught-evaluator` by default. */
  readonly taskQueue?: string;
}

/** A workflow that is started once under its name. */
export interface Start<Configuration> {
  readonly workflowType: string;
  readonly summary: (runName: string) => string;
  readonly read: (input: unknown) => ReadConfiguration<Configuration>;
  /** What must be the same for two starts to be the same. */
  readonly meaningOf: (configuration: Configuration) => unknown;
}

/**
 * Starts the workflow whose id is the run's name, or leaves the one alone that is under way and means the same.
 * @throws ConfigurationRefused, RunConflict
 */
export async function startOnce<Configuration extends { readonly runName: string }>(
  client: Client,
  { workflowType, summary, read, meaningOf }: Start<Configuration>,
  input: unknown,
  { taskQueue = 'self-taught-evaluator' }: StartOptions,
): Promise<void> {
  const { configuration, problems } = read(input);
  if (configuration === undefined) throw new ConfigurationRefused(problems);
  const { runName } = configuration;
  for (;;) {
    try {
      await client.workflow.start(workflowType, {
        workflowId: runName,
        taskQueue,
        args: [input],
        staticSummary: summary(runName),
      });
      return;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const underWay = await startOf(client, runName);
    // It has ended in the meantime.
    if (underWay === undefined) continue;
    if (underWay.workflowType !== workflowType)
      throw new RunConflict(runName, `a workflow of the type ${underWay.workflowType}`);
    const there = read(underWay.input);
    const differences =
      there.configuration === undefined
        ? differingFields(underWay.input, input)
        : differingFields(meaningOf(there.configuration), meaningOf(configuration));
    if (differences.length > 0) throw RunConflict.between(runName, differences);
    return;
  }
}

/**
 * The type and the argument of the workflow that is open under this id, whoever started it; undefined where none is. Its
 * first event says so without a worker.
 */
async function startOf(
  client: Client,
  workflowId: string,
): Promise<{ workflowType: string; input: unknown } | undefined> {
  const { namespace, loadedDataConverter } = client.options;
  try {
    const { status, runId, type } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return undefined;
    const { history } = await client.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId, runId },
      maximumPageSize: 1,
    });
    let payloads = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    for (const codec of loadedDataConverter.payloadCodecs.toReversed())
      payloads = await codec.decode(payloads);
    const [first] = payloads;
    const input =
      first === undefined ? undefined : loadedDataConverter.payloadConverter.fromPayload<unknown>(first);
    return { workflowType: type, input };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
