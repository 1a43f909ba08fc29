/** Runs the real workflows with instant activities on a separate server, and measures their histories. */
import { Context } from '@temporalio/activity';
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_TASK_QUEUE } from '../../src/api/task-queues.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { startRun, type ConfigurationInput } from '../../src/client/index.ts';
import { listPollers } from '../../src/temporal/pollers.ts';
import { startLocalServer } from '../../test/support/local-server.ts';
import { workflowBundle } from '../../test/workflows/workflow-bundle.ts';
import { createInstantActivities, type InstantActivities } from './instant-activities.ts';

export interface SimulationOptions {
  readonly instructions: number;
  readonly iterations: number;
  /** The number of events after which the server suggests to continue as new; the server's default is 4,096. */
  readonly suggestContinueAsNewAt?: number;
  readonly configuration?: Partial<ConfigurationInput>;
  /** Replaces activities. */
  readonly change?: (activities: InstantActivities) => InstantActivities;
}

/** The histories of a workflow; there are several if it continued as new. */
export interface WorkflowHistories {
  readonly workflowId: string;
  readonly type: string;
  readonly histories: readonly { readonly events: number; readonly bytes: number }[];
}

export interface SimulatedRun {
  readonly workflows: readonly WorkflowHistories[];
  /** The size of the last answer to the query `progress`, in bytes. */
  readonly progressBytes: number;
  readonly seconds: number;
}

/** Runs the whole loop and measures every history. */
export function simulateRun(options: SimulationOptions): Promise<SimulatedRun> {
  return withSimulation(options, async (client, input) => {
    const began = performance.now();
    const run = await startRun(client, input);
    await run.result();
    return {
      seconds: (performance.now() - began) / 1000,
      progressBytes: JSON.stringify(await run.progress()).length,
      workflows: await measureHistories(client),
    };
  });
}

/** Calls `work` with a server and workers that execute the run of this configuration. */
export async function withSimulation<T>(
  options: SimulationOptions,
  work: (client: Client, input: ConfigurationInput) => Promise<T>,
): Promise<T> {
  const { iterations, suggestContinueAsNewAt } = options;
  const input: ConfigurationInput = {
    runName: 'simulated',
    iterations,
    models: { seed: { checkpoint: 'models/seed' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:8000/v1', servedModelName: 'judge-{iteration}' },
    instructions: { pool: ['instructions.jsonl'] },
    evaluation: {
      benchmarks: (['validation', 'test'] as const).map((purpose) => ({
        name: purpose,
        format: 'reward-bench',
        path: `${purpose}.jsonl`,
        purpose,
      })),
    },
    ...options.configuration,
  };
  const server = await startLocalServer(suggestContinueAsNewAt);
  try {
    const workers = await createWorkers(server, input, options);
    const running = workers.map((worker) => worker.run());
    try {
      // Commands warn of a queue without a worker.
      while ((await listPollers(server.client, 'workflow', DEFAULT_TASK_QUEUE)).length === 0) await sleep(50);
      return await work(server.client, input);
    } finally {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    }
  } finally {
    await server.teardown();
  }
}

async function createWorkers(
  { nativeConnection: connection }: TestWorkflowEnvironment,
  input: ConfigurationInput,
  { instructions, change = (activities) => activities }: SimulationOptions,
): Promise<Worker[]> {
  const { configuration, problems } = parseConfiguration(input);
  if (configuration === undefined) throw new Error(JSON.stringify(problems));
  const taskQueue = DEFAULT_TASK_QUEUE;
  const machineQueue = `${taskQueue}-gpu-simulated`;
  const activities = change(createInstantActivities(configuration, instructions, machineQueue));
  return Promise.all([
    Worker.create({
      connection,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities: heldActivities(activities.workflow),
    }),
    Worker.create({
      connection,
      taskQueue: `${taskQueue}-inference`,
      activities: heldActivities(activities.inference),
    }),
    Worker.create({ connection, taskQueue: `${taskQueue}-gpu`, activities: heldActivities(activities.gpu) }),
    Worker.create({ connection, taskQueue: machineQueue, activities: heldActivities(activities.machine) }),
  ]);
}

const HEARTBEAT_MS = 1000;

/** The activities with heartbeats, so that a replacement that is held back for seconds is not taken for lost and tried again. */
function heldActivities(activities: object): object {
  const entries = Object.entries(activities) as [string, (...inputs: unknown[]) => Promise<unknown>][];
  return Object.fromEntries(
    entries.map(([name, activity]) => [
      name,
      async (...inputs: unknown[]) => {
        const context = Context.current();
        const timer = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
        try {
          return await activity(...inputs);
        } finally {
          clearInterval(timer);
        }
      },
    ]),
  );
}

/** The histories by workflow. The server lists closed workflows with a delay, so the list is polled until it is complete. */
async function measureHistories(client: Client): Promise<WorkflowHistories[]> {
  for (;;) {
    const executions = await Array.fromAsync(client.workflow.list());
    if (executions.every(({ status }) => status.name !== 'RUNNING')) {
      return [...Map.groupBy(executions, ({ workflowId }) => workflowId)].map(([workflowId, runs]) => ({
        workflowId,
        type: (runs[0] as WorkflowExecutionInfo).type,
        histories: runs.map(({ historyLength, historySize }) => ({
          events: historyLength,
          bytes: historySize ?? NaN,
        })),
      }));
    }
  }
}
