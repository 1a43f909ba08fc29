import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigurationInput, startRun } from '../../src/client/index.ts';
import { leaseSchema } from '../../src/models/training/job.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { toReference } from '../../src/store/artifact.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { readShardedRecords } from '../../src/store/shards.ts';
import { compareRuns } from '../../tools/chaos/compare-runs.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { heldTrainer, HeldTrainings } from '../support/held-example.ts';

const ITERATIONS = 3;
const VERDICT_TOKENS = 2;

describe('a run with another recipe in each iteration and another part of the pairs, every part real', function () {
  this.timeout(900_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster();
  });

  after(() => cluster.close());

  /** SFT, a few steps of GRPO, then verdicts with reasons and alone, on fewer instructions, without a choice by validation. */
  async function configuration(runName: string): Promise<ConfigurationInput> {
    const read = async (name: string) => {
      const text = await readFile(join(packageRoot, 'temporal/inputs', name), 'utf8');
      return JSON.parse(text) as ConfigurationInput;
    };
    const [direct, grpo] = [await read('embedded-direct.json'), await read('embedded-grpo.json')];
    const { instructions, pairs, evaluation, fineTuning } = direct;
    const [sft, reinforced, alone] = [
      fineTuning?.rounds?.at(0),
      grpo.fineTuning?.rounds?.at(0),
      fineTuning?.rounds?.at(-1),
    ];
    assert(instructions && pairs && sft && reinforced?.method === 'grpo' && alone);
    const { hyperparameters } = reinforced;
    return {
      ...grpo,
      ...{ runName, iterations: ITERATIONS, earlyStopping: null },
      instructions: { ...instructions, categories: null, maxInstructions: 150, shardSize: 50 },
      pairs: { ...pairs, parts: ITERATIONS },
      fineTuning: {
        rounds: [
          sft,
          {
            ...reinforced,
            initFrom: 'previous',
            selectCheckpoint: undefined,
            hyperparameters: { ...hyperparameters, maxSteps: 4, saveSteps: 1, perDeviceBatchSize: 64 },
          },
          alone,
        ],
        threads: 1,
      },
      evaluation,
    };
  }

  /** Kills the trainer of an iteration, whose lease names it. */
  async function killTrainer(runName: string, iteration: number): Promise<void> {
    const file = join(cluster.storeRoot, runName, `iteration-${iteration}`, 'training', 'lease.json');
    const lease = leaseSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    process.kill(lease.pid, 'SIGKILL');
  }

  it('is the same run though its worker and its trainer are killed while it trains by reinforcement', async () => {
    const worker = cluster.startWorker();
    const undisturbed = await startRun(cluster.client, await configuration('undisturbed'));
    await undisturbed.result();
    const holdFolder = join(cluster.storeRoot, '..', 'holds');
    const trainings = new HeldTrainings(cluster, 'killed', holdFolder);
    for (const iteration of [1, 3]) await trainings.release(iteration);
    const { fineTuning, ...input } = await configuration('killed');
    const launcher = { kind: 'process' as const, command: heldTrainer(holdFolder, 2) };
    const killed = await startRun(cluster.client, { ...input, fineTuning: { ...fineTuning, launcher } });
    await trainings.held(2, 1);
    await Promise.all([worker.kill(), killTrainer('killed', 2)]);
    await trainings.release(2);
    cluster.startWorker();
    const { iterations } = await killed.result();
    assert.deepEqual(compareRuns(cluster.storeRoot, 'undisturbed', 'killed').differences, []);
    // The last judge names the better response at once.
    const [, , , last] = iterations;
    const direct = last?.evaluations.find(({ benchmark }) => benchmark === 'test-direct');
    const { completion = 0 } = direct?.tokens ?? {};
    assert(completion > 0 && completion <= VERDICT_TOKENS * (direct?.requests ?? 0), `${completion} tokens`);
  });

  it('judges each pair in one iteration', async () => {
    const store = openStore(cluster.storeRoot);
    const judged: string[] = [];
    for (const iteration of [1, 2, 3]) {
      const manifest = await store.readManifest(`${runUris.judgments('killed', iteration)}/index`);
      assert(manifest !== undefined);
      const ids = new Set<string>();
      for await (const { pairId } of readShardedRecords<{ pairId: string }>(store, toReference(manifest)))
        ids.add(pairId);
      assert(ids.size > 10, `${ids.size} pairs in iteration ${iteration}`);
      judged.push(...ids);
    }
    assert.equal(new Set(judged).size, judged.length);
  });
});
