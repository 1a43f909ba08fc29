import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigurationInput, startRun } from '../../src/client/index.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readManifests } from '../support/read-manifests.ts';
import { waitForProgress } from '../support/tiny-run.ts';

const EVERY_STEPS = 3;

describe('the embedded example with a choice among the checkpoints of each training, every part real', function () {
  this.timeout(900_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster();
  });

  after(() => cluster.close());

  async function smaller(runName: string): Promise<ConfigurationInput> {
    const file = join(packageRoot, 'temporal/inputs/embedded.json');
    const example = JSON.parse(await readFile(file, 'utf8')) as ConfigurationInput;
    const { instructions: pool, fineTuning } = example;
    assert(pool !== undefined);
    const [round] = fineTuning?.rounds ?? [];
    assert(round !== undefined);
    return {
      ...example,
      ...{ runName, iterations: 2, timeouts: { heartbeatSeconds: 5 } },
      instructions: { ...pool, categories: null, maxInstructions: 200, shardSize: 50 },
      fineTuning: { ...fineTuning, rounds: [{ ...round, selectCheckpoint: { everySteps: EVERY_STEPS } }] },
      evaluation: { ...example.evaluation, shardSize: 40 },
    };
  }

  const manifests = (runName: string) => readManifests(cluster.storeRoot, runName);

  it('serves and validates them in turn, though the worker is killed in the middle, and makes the best one the judge', async () => {
    const worker = cluster.startWorker();
    const run = await startRun(cluster.client, await smaller('chosen'));
    await waitForProgress(run, ({ stages }) =>
      stages.some(({ name, done = 0, total = 0 }) => name === 'selectCheckpoint' && done > 0 && done < total),
    );
    const complete = await manifests('chosen');
    assert(
      [...complete.keys()].some((uri) => uri.includes('/iteration-1/trainer/evaluation/step-')),
      'no shard of a checkpoint is complete',
    );
    await worker.kill();
    cluster.startWorker();
    const { iterations } = await run.result();
    const after = await manifests('chosen');
    for (const [uri, manifest] of complete) assert.deepEqual(after.get(uri), manifest, uri);

    assert.equal(iterations.length, 3);
    for (const { iteration, training, evaluations, model, counts } of iterations.slice(1)) {
      const { checkpoints = [] } = training ?? {};
      assert(checkpoints.length >= 3, `M_${iteration} was chosen among ${checkpoints.length}`);
      for (const { step, figure } of checkpoints) {
        const uri = `chosen/iteration-${iteration}/trainer/evaluation/step-${step}/validation`;
        const scores = after.get(`${uri}/scores`)?.summary as { readonly accuracy: number } | undefined;
        assert.equal(figure, scores?.accuracy, uri);
      }
      const steps = checkpoints.map(({ step }) => step);
      const total = counts['fineTune']?.['steps'] ?? 0;
      assert.deepEqual(
        steps,
        Array.from({ length: steps.length }, (_, index) => Math.min((index + 1) * EVERY_STEPS, total)),
      );
      const best = Math.max(...checkpoints.map(({ figure = 0 }) => figure));
      const chosen = checkpoints.filter((each) => each.chosen);
      assert.deepEqual(chosen, checkpoints.filter(({ figure }) => figure === best).slice(0, 1));
      const validated = evaluations.find(({ purpose }) => purpose === 'validation');
      assert.equal(validated?.accuracy, best);

      const folder = join(cluster.storeRoot, 'chosen', `iteration-${iteration}`);
      const trained = JSON.parse(await readFile(join(folder, 'training', 'result.json'), 'utf8')) as {
        readonly steps: number;
        readonly model: { readonly sha256: string };
      };
      assert.equal(trained.steps, chosen[0]?.step);
      assert.equal(trained.model.sha256, model.sha256);
      assert(existsSync(join(folder, 'training', 'model', 'model.safetensors')));
      const left = await Array.fromAsync(glob('trainer/**/model.safetensors', { cwd: folder }));
      assert.deepEqual(left, []);
    }
    // The seed judge guesses in half of the tasks; the worst checkpoint of the first steps would not do.
    const [seed, , last] = iterations.map(
      ({ evaluations }) => evaluations.find(({ purpose }) => purpose === 'test')?.accuracy ?? 0,
    );
    assert((last ?? 0) > (seed ?? 1) + 0.05, `accuracy went from ${seed} to ${last}`);
  });
});
