import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigurationInput } from '../../src/client.ts';

/** `embedded`: the example's own model server; `scripted`: one that computes nothing, so that little but requests takes time. */
export const ENDPOINTS = ['embedded', 'scripted'] as const;
export type EndpointName = (typeof ENDPOINTS)[number];

/** After progress the next kill comes within this time. */
export const LONGEST_DELAY_MILLISECONDS: Record<EndpointName, number> = { embedded: 6_000, scripted: 3_000 };

const root = join(import.meta.dirname, '..', '..');

/**
 * The embedded example, with its settings but smaller: fewer instructions and benchmark pairs, more shards, so that
 * kills meet every stage. Model servers write down what they are asked for into `requestLog`.
 */
export function configurationFor(
  endpoint: EndpointName,
  run: { runName: string; seed: number; requestLog: string },
): ConfigurationInput {
  const { runName, seed, requestLog } = run;
  const example = JSON.parse(
    readFileSync(join(root, 'temporal', 'inputs', 'embedded.json'), 'utf8'),
  ) as ConfigurationInput;
  if (example.serving.kind !== 'command') throw new Error('the embedded example serves by a command');
  const { serving, fineTuning, evaluation, instructions } = example;
  if (instructions === undefined) throw new Error('the embedded example makes its pairs from instructions');
  const round = fineTuning?.rounds?.[0];
  if (round?.method !== 'sft') throw new Error('the embedded example begins with supervised fine-tuning');
  const hyperparameters = { ...round.hyperparameters, checkpointEverySteps: 5 };
  const validation = evaluation.benchmarks.filter(({ purpose }) => purpose === 'validation');
  const common: ConfigurationInput = {
    ...example,
    runName,
    seed,
    iterations: 2,
    instructions: { ...instructions, categories: null, maximum: 160, shardSize: 20 },
    evaluation: { ...evaluation, benchmarks: validation, shardSize: 30 },
    fineTuning: { ...fineTuning, rounds: [{ ...round, hyperparameters }] },
  };
  switch (endpoint) {
    case 'embedded':
      return {
        ...common,
        serving: { ...serving, command: [...serving.command, '--request-log', requestLog] },
      };
    case 'scripted':
      return {
        ...common,
        iterations: 1,
        serving: {
          ...serving,
          command: [
            process.execPath,
            join(import.meta.dirname, 'scripted-server.ts'),
            ...['--port', '{port}', '--request-log', requestLog],
          ],
          servedName: 'judge-{iteration}',
          healthPath: '/v1/models',
        },
        instructions: { ...instructions, categories: null, maximum: 60, shardSize: 15 },
        fineTuning: {
          ...fineTuning,
          rounds: [{ ...round, hyperparameters: { ...hyperparameters, epochs: 2, batchSize: 16 } }],
        },
        inference: { requestsPerShard: 4, shardsAtOnce: 4 },
      };
  }
}
