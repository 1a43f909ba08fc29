import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigurationInput } from '../../src/client/index.ts';
import type { Aim } from './disturbed-run.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

/**
 * `embedded` is the model server of the example; `scripted` is a faster one that runs no model. With `scripted-plans`, its judgments
 * follow plans.
 */
export const ENDPOINTS = ['embedded', 'scripted', 'scripted-plans'] as const;
export type EndpointName = (typeof ENDPOINTS)[number];

/** The next kill follows progress within this time. */
export const LONGEST_DELAY_MILLISECONDS: Record<EndpointName, number> = {
  embedded: 6_000,
  scripted: 3_000,
  'scripted-plans': 3_000,
};

const PLANNED = {
  samples: 3,
  strategy: { kind: 'all' },
  plan: {
    prompt: 'test/support/prompts/plan',
    executionPrompt: 'test/support/prompts/execute-plan',
    samples: 2,
  },
} satisfies ConfigurationInput['judging'];

/**
 * A smaller version of the embedded example, with fewer instructions and benchmark pairs and more shards, so that kills
 * happen in every stage. Model servers log their requests in `requestLog`.
 */
export function configurationFor(
  endpoint: EndpointName,
  run: { runName: string; seed: number; aim: Aim; machines: number; requestLog: string },
): ConfigurationInput {
  const { runName, seed, aim, machines, requestLog } = run;
  const example = JSON.parse(
    readFileSync(join(packageRoot, 'temporal', 'inputs', 'embedded.json'), 'utf8'),
  ) as ConfigurationInput;
  if (example.serving.kind !== 'command') throw new Error('the embedded example has no serving command');
  const { serving, fineTuning, evaluation, instructions } = example;
  if (instructions === undefined) throw new Error('the embedded example has no instructions');
  const round = fineTuning?.rounds?.[0];
  if (round?.method !== 'sft')
    throw new Error('the embedded example does not begin with supervised fine-tuning');
  const hyperparameters = { ...round.hyperparameters, saveSteps: 5 };
  const validation = evaluation.benchmarks.filter(({ purpose }) => purpose === 'validation');
  // A long training, so that its trainer is killed again and again.
  const epochs = aim === 'trainers' ? 8 : 2;
  const common: ConfigurationInput = {
    ...example,
    runName,
    seed,
    iterations: 2,
    instructions: { ...instructions, categories: null, maxInstructions: 160, shardSize: 20 },
    evaluation: { ...evaluation, benchmarks: validation, shardSize: 30 },
    fineTuning: { ...fineTuning, rounds: [{ ...round, hyperparameters }] },
    // Waits for the machine that is gone before another one is chosen; with kills of trainers long enough to say so.
    ...(machines > 1
      ? { timeouts: { ...example.timeouts, workerWaitSeconds: aim === 'trainers' ? 45 : 10 } }
      : {}),
  };
  switch (endpoint) {
    case 'embedded':
      return {
        ...common,
        serving: { ...serving, command: [...serving.command, '--request-log', requestLog] },
      };
    case 'scripted':
    case 'scripted-plans':
      return {
        ...common,
        iterations: 1,
        serving: {
          ...serving,
          command: [
            process.execPath,
            join(import.meta.dirname, 'scripted-server.ts'),
            ...['--host', '{host}', '--port', '{port}', '--request-log', requestLog],
          ],
          servedModelName: 'judge-{iteration}',
          healthPath: '/v1/models',
        },
        instructions: { ...instructions, categories: null, maxInstructions: 60, shardSize: 15 },
        fineTuning: {
          ...fineTuning,
          rounds: [{ ...round, hyperparameters: { ...hyperparameters, epochs, perDeviceBatchSize: 16 } }],
        },
        inference: { concurrentRequestsPerShard: 4, concurrentShards: 4 },
        ...(endpoint === 'scripted-plans' && { judging: { ...example.judging, ...PLANNED } }),
      };
  }
}
