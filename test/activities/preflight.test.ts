import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { checkMachine } from '../../src/activities/preflight.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { OWN_WORK } from '../../src/policy/policy-schema.ts';
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
});
