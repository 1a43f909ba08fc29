import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { fieldDifferences } from '../platform/field-differences.ts';
import type { ParsedConfiguration } from '../config/parse-configuration.ts';
import { InvalidConfiguration, RunConflict } from './errors.ts';

export interface StartOptions {
  /** The task queue of the workers with the role `workflow`; `self-taught-evaluator` by default. */
  readonly taskQueue?: string;
}

/** A workflow that is started once under its name. */
export interface StartableWorkflow<Configuration> {
  readonly workflowType: string;
  readonly summary: (runName: string) => string;
  readonly parse: (input: unknown) => ParsedConfiguration<Configuration>;
  /** The part of the configuration that must be equal for two starts to count as the same. */
  readonly fingerprintInputs: (configuration: Configuration) => unknown;
}

/**
 * Starts the workflow whose id is the run's name, unless an equal one is open.
 * @throws InvalidConfiguration, RunConflict
 */
export async function startOrAttach<Configuration extends { readonly runName: string }>(
  client: Client,
  { workflowType, summary, parse, fingerprintInputs }: StartableWorkflow<Configuration>,
  input: unknown,
  { taskQueue = 'self-taught-evaluator' }: StartOptions,
): Promise<void> {
  const { configuration, problems } = parse(input);
  if (configuration === undefined) throw new InvalidConfiguration(problems);
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
    const underWay = await openExecutionStart(client, runName);
    // The workflow has ended in the meantime.
    if (underWay === undefined) continue;
    if (underWay.workflowType !== workflowType)
      throw new RunConflict(runName, `a workflow of the type ${underWay.workflowType}`);
    const existing = parse(underWay.input);
    const differences =
      existing.configuration === undefined
        ? fieldDifferences(underWay.input, input)
        : fieldDifferences(fingerprintInputs(existing.configuration), fingerprintInputs(configuration));
    if (differences.length > 0) throw RunConflict.ofDifferences(runName, differences);
    return;
  }
}

/**
 * Returns the type and the argument of the open workflow with this id, whoever started it; undefined if there is
 * none. They are read from its first event, so no worker is needed.
 */
async function openExecutionStart(
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
