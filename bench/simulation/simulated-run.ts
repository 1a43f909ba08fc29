/** A run of the real workflows on a real server of its own, with instant activities, and the size of what it leaves. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import { startRun, type ConfigurationInput } from '../../src/client.ts';
import { startLocalServer } from '../../test/workflows/local-server.ts';
import { workflowBundle } from '../../test/workflows/workflow-bundle.ts';
import { createInstantActivities, type InstantActivities } from './instant-activities.ts';

export interface SimulationOptions {
  readonly instructions: number;
  readonly iterations: number;
  /** When the server suggests to continue as new, in events; its own bound, 4,096, unless given. */
  readonly suggestContinueAsNewAt?: number;
  readonly configuration?: Partial<ConfigurationInput>;
  /** Replaces some of the activities. */
  readonly change?: (activities: InstantActivities) => InstantActivities;
}

/** The histories of one workflow, which may be several, each continued by the next. */
export interface WorkflowHistories {
  readonly workflowId: string;
  readonly type: string;
  readonly histories: readonly { readonly events: number; readonly bytes: number }[];
}

export interface SimulatedRun {
  readonly workflows: readonly WorkflowHistories[];
  /** What the query `progress` answers at the end, in bytes. */
  readonly progressBytes: number;
  readonly seconds: number;
}

/** Runs the whole loop, and measures every history. */
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

/** Does work with a server and workers that carry out the run of this configuration. */
export async function withSimulation<T>(
  options: SimulationOptions,
  work: (client: Client, input: ConfigurationInput) => Promise<T>,
): Promise<T> {
  const { iterations, suggestContinueAsNewAt } = options;
  const input: ConfigurationInput = {
    runName: 'simulated',
    iterations,
    models: { seed: { checkpoint: 'models/seed' } },
    serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:8000/v1', servedName: 'judge-{iteration}' },
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
  const { configuration, problems } = readConfiguration(input);
  if (configuration === undefined) throw new Error(JSON.stringify(problems));
  const taskQueue = 'self-taught-evaluator';
  const machineQueue = `${taskQueue}-gpu-simulated`;
  const activities = change(createInstantActivities(configuration, instructions, machineQueue));
  return Promise.all([
    Worker.create({
      connection,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities: activities.workflow,
    }),
    Worker.create({ connection, taskQueue: `${taskQueue}-inference`, activities: activities.inference }),
    Worker.create({ connection, taskQueue: `${taskQueue}-gpu`, activities: activities.gpu }),
    Worker.create({ connection, taskQueue: machineQueue, activities: activities.machine }),
  ]);
}

/** By workflow. The server's list of closed workflows may lag behind: it is asked until all of them stand in it. */
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
