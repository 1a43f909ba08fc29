/**
 * The example of docs/architecture.md for one more way to serve models: vLLM on a number of GPUs, without a command in
 * the configuration. As a part of the product it is src/models/serving/drivers/vllm.ts and a line in registry.ts.
 */
import { z } from 'zod';
import { findProgram } from '../../src/platform/programs.ts';
import { defineMachineDriver, servedModelNameProblems } from '../../src/models/serving/drivers/driver.ts';
import { serverSpec } from '../../src/models/serving/drivers/server-spec.ts';

export const vllm = defineMachineDriver({
  configuration: z.strictObject({
    kind: z.literal('vllm'),
    servedModelName: z.string().min(1).default('{runName}-{iteration}'),
    gpus: z.int().positive().default(1),
    eager: z.boolean().default(false),
    compilationConfig: z.string().optional(),
  }),
  noun: 'vLLM',
  needsMachine: true,
  describe: ({ gpus }) => `vLLM on ${gpus} GPUs`,
  problems: (path, { eager, compilationConfig }) =>
    eager && compilationConfig !== undefined
      ? [
          {
            path: `${path}.compilationConfig`,
            message: 'found beside eager, which compiles nothing: remove it',
          },
        ]
      : [],
  // The server gets the checkpoint.
  trainedJudgeProblems: () => [],
  check: ({ path, settings, environment }) =>
    Promise.resolve([
      ...servedModelNameProblems(path, settings),
      ...(findProgram('vllm', environment['PATH'] ?? '') === undefined
        ? [{ path, message: 'no program vllm on the PATH of the worker with role gpu: install it' }]
        : []),
    ]),
  server: ({ gpus, eager, compilationConfig }, values) =>
    serverSpec(
      {
        command: [
          ...[
            'vllm',
            'serve',
            '{checkpoint}',
            '--served-model-name',
            '{servedModelName}',
            '--host',
            '{host}',
            '--port',
            '{port}',
            '--generation-config',
            'vllm',
            '--disable-uvicorn-access-log',
          ],
          ...['--tensor-parallel-size', String(gpus), ...(eager ? ['--enforce-eager'] : [])],
          ...(compilationConfig === undefined ? [] : ['--compilation-config', compilationConfig]),
        ],
        healthPath: '/health',
        basePath: '/v1',
        startTimeoutSeconds: 1800,
      },
      values,
    ),
  usesPython: () => false,
  gpus: ({ gpus }) => gpus,
  stopsWhileTraining: () => true,
});
