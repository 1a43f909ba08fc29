import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkMachine } from '../../src/activities/preflight.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { OWN_WORK } from '../../src/policy/policy-schema.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

describe('the check of a machine before a run', () => {
  it('refuses a training on several nodes with a store in a bucket, by the path of its launcher', async () => {
    const { configuration } = parseConfiguration({
      runName: 'test',
      models: { seed: { checkpoint: 'embedded/model' } },
      serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'm-{iteration}' },
      instructions: { pool: ['pool.jsonl'] },
      fineTuning: { launcher: { kind: 'slurm', nodes: 2 } },
      evaluation: {
        benchmarks: [{ name: 'held-out', format: 'reward-bench', path: 'b.jsonl', purpose: 'test' }],
      },
    });
    const deps = {
      // Like a bucket it has no files.
      store: openStore(`memory:${randomUUID()}`),
      files: { roots: [packageRoot] },
      ...{ python: 'python3', packageRoot, environment: {}, policy: OWN_WORK },
    };
    const { problems } = await checkMachine(deps, configuration!, [], new AbortController().signal);
    assert.deepEqual(problems, [
      {
        path: 'fineTuning.launcher',
        message:
          'launcher.nodes is 2, but with a store in a bucket a training runs on one node: set it to 1, or use a folder that all nodes share as the store',
      },
    ]);
  });

  describe('with trainings that sample judgments by vLLM', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'preflight-'));
    });
    after(() => rm(folder, { recursive: true }));

    /** A program that stands for Python, and answers a check with vLLM in one way and any other with success. */
    async function program(name: string, problems: readonly string[]): Promise<string> {
      const path = join(folder, name);
      const report = (found: readonly string[]) =>
        JSON.stringify({ ok: found.length === 0, device: 'a GPU', problems: found });
      const script = `#!/bin/sh\ncase "$*" in *--with-vllm*) echo '${report(problems)}';; *) echo '${report([])}';; esac\n`;
      await writeFile(path, script);
      await chmod(path, 0o755);
      return path;
    }

    async function problemsOf(
      pythons: { readonly python: string; readonly vllmPython: string },
      rollouts: 'generate' | 'vllm' = 'vllm',
      { command = ['{python}', '-m', 'trainer', '--job', '{job}'], vllmTensorParallel = 1 } = {},
    ) {
      const hyperparameters = { rollouts, vllmTensorParallel };
      const rounds = [{ method: 'sft' as const }, { method: 'grpo' as const, hyperparameters }];
      const launcher = { kind: 'process' as const, command };
      const { configuration } = parseConfiguration(
        tinyConfiguration('vllm', 'http://127.0.0.1:9/v1', { fineTuning: { rounds, launcher } }),
      );
      const deps = {
        store: openStore(`memory:${randomUUID()}`),
        files: { roots: [packageRoot] },
        ...{ ...pythons, packageRoot, policy: OWN_WORK },
        environment: { PATH: process.env['PATH'], SELF_TAUGHT_EVALUATOR_CACHE: join(folder, 'cache') },
      };
      const { problems } = await checkMachine(deps, configuration!, [], new AbortController().signal);
      return problems;
    }

    it('refuses them where the Python with vLLM is not installed, and says how to install it', async () => {
      const python = await program('python', ['not asked']);
      const missing = { python, vllmPython: join(folder, 'no-such-python') };
      assert.deepEqual(await problemsOf(missing), [
        {
          path: 'fineTuning.rounds.1.hyperparameters.rollouts',
          message:
            `found "vllm", but there is no Python with vLLM at ${missing.vllmPython}: ` +
            'install it by "npx self-taught-evaluator setup --with vllm-training", or set "generate"',
        },
      ]);
      assert.deepEqual(await problemsOf(missing, 'generate'), []);
    });

    it('refuses them without a GPU or without vLLM, as that Python sees it', async () => {
      const python = await program('python', ['not asked']);
      const vllmPython = await program('python-without-gpu', ['needs an NVIDIA GPU']);
      const [problem] = await problemsOf({ python, vllmPython });
      assert.equal(problem?.path, 'fineTuning.rounds.1.hyperparameters.rollouts');
      assert.match(problem?.message ?? '', /found "vllm": needs an NVIDIA GPU/);
      assert.deepEqual(await problemsOf({ python, vllmPython: await program('python-with-vllm', []) }), []);
    });

    it('refuses them if vLLM would divide the model over GPUs that the training does not have, as far as that is known', async () => {
      const python = await program('python', []);
      const problems = (vllmTensorParallel: number, ...command: string[]) =>
        problemsOf({ python, vllmPython: python }, 'vllm', {
          vllmTensorParallel,
          ...(command.length > 0 && { command }),
        });
      const accelerate = ['{python}', '-m', 'accelerate.commands.launch', '--num_processes=4'];
      assert.deepEqual(await problems(2, ...accelerate), []);
      assert.deepEqual(await problems(2, 'own-launcher', '{job}'), []);
      const refusal = (found: number, gpus: string) => [
        {
          path: 'fineTuning.rounds.1.hyperparameters.vllmTensorParallel',
          message:
            `found ${found}, but fineTuning.launcher trains on ${gpus}, which can't be divided by it: ` +
            'set a divisor of their number, or train on more GPUs',
        },
      ];
      assert.deepEqual(await problems(3, ...accelerate), refusal(3, '4 GPUs'));
      assert.deepEqual(await problems(2), refusal(2, '1 GPU'));
    });
  });
});
