import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Run, RunProgress } from '../../src/client/index.ts';
import { tellsFromBase } from '../../src/models/serving/adapters/canary.ts';
import { RESULT_FILE, resultSchema } from '../../src/models/training/job.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { heldTrainer, HeldTrainings, startExample } from '../support/held-example.ts';
import { python } from '../support/made-adapters.ts';
import { waitForProgress } from '../support/tiny-run.ts';

const server = join(packageRoot, 'test/support/lora_server.py');

/** Whole runs with the real trainer. In place of vLLM the embedded server answers, with vLLM's API for adapters. */
describe('a run whose judges are adapters of one server', function () {
  this.timeout(600_000);
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await startCluster();
  });
  afterEach(() => cluster.close());

  const startsFile = () => join(cluster.storeRoot, '..', 'starts');
  const faultFile = () => join(cluster.storeRoot, '..', 'fault');
  const starts = () =>
    existsSync(startsFile()) ? readFileSync(startsFile(), 'utf8').trim().split('\n').map(Number) : [];
  /** Has the files that hold and release trainings. */
  const holdFolder = () => join(cluster.storeRoot, '..', 'holds');
  const start = (
    runName: string,
    iterations: number,
    serving: object = {},
    changedRound: object = {},
    isHeld = false,
  ) =>
    startExample(cluster, runName, iterations, ({ fineTuning }) => {
      const [round] = fineTuning!.rounds!;
      return {
        serving: {
          kind: 'vllm-lora',
          command: [
            ...[python, server, 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'],
            ...['--host', '{host}', '--port', '{port}', '--starts', startsFile(), '--fault', faultFile()],
          ],
          startTimeoutSeconds: 120,
          ...serving,
        },
        fineTuning: {
          ...fineTuning,
          rounds: [
            {
              ...round!,
              hyperparameters: { ...round!.hyperparameters, learningRate: 0.003 },
              ...changedRound,
            },
          ],
          adapter: { kind: 'lora', rank: 16, alpha: 32 },
          ...(isHeld ? { launcher: { kind: 'process', command: heldTrainer(holdFolder()) } } : {}),
        },
      };
    });
  const accuracies = async (run: Run) =>
    (await run.result()).iterations.map(
      ({ evaluations }) => evaluations.find(({ benchmark }) => benchmark === 'test')?.accuracy ?? 0,
    );
  const trainingOf = (runName: string, iteration: number) => {
    const folder = join(cluster.storeRoot, runUris.training(runName, iteration));
    return resultSchema.parse(JSON.parse(readFileSync(join(folder, RESULT_FILE), 'utf8')));
  };
  const hasJudge =
    (iteration: number) =>
    ({ completedIterations }: RunProgress): boolean =>
      completedIterations.length > iteration;
  const hasBegun =
    (stage: string, iteration: number) =>
    ({ stages }: RunProgress): boolean =>
      stages.some((each) => each.name === stage && each.iteration === iteration);
  const killServer = () => process.kill(starts().at(-1)!, 'SIGKILL');

  it('has one start for seed model and judges, and goes on after its server was killed', async () => {
    cluster.startWorker();
    const trainings = new HeldTrainings(cluster, 'adapters', holdFolder());
    await trainings.release(1);
    const run = await start('adapters', 2, {}, {}, true);
    await waitForProgress(run, hasJudge(1));
    assert.equal(starts().length, 1);
    killServer();
    await trainings.release(2);
    const [seed = 1, first = 0, second = 0] = await accuracies(run);
    assert(first > seed + 0.05 && second > seed + 0.05, [seed, first, second].join());
    assert.equal(starts().length, 2);
    const { adapter, canary, model } = trainingOf('adapters', 1);
    assert(canary !== undefined && tellsFromBase(canary), JSON.stringify(canary));
    assert(adapter?.files.some(({ name }) => name === 'adapter_model.safetensors'));
    assert(
      model.files.some(({ name }) => name === 'model.safetensors'),
      'exports have the whole model',
    );
    assert.notEqual(adapter?.sha256, trainingOf('adapters', 2).adapter?.sha256);
  });

  it('has the checkpoints that validation chooses among served as adapters too, by the same server', async () => {
    cluster.startWorker();
    const run = await start('chosen', 1, {}, { selectCheckpoint: { everySteps: 4 } });
    const [seed = 1, first = 0] = await accuracies(run);
    assert(first > seed + 0.05, `${seed} ${first}`);
    const [, judge] = (await run.result()).iterations;
    const { checkpoints = [] } = judge?.training ?? {};
    assert(checkpoints.length > 1 && new Set(checkpoints.map(({ figure }) => figure)).size > 1);
    assert.equal(trainingOf('chosen', 1).steps, checkpoints.find(({ chosen }) => chosen)?.step);
    assert.equal(starts().length, 1);
  });

  it('is told its adapters again after it was stopped for a training, killed, or lost its worker', async () => {
    const worker = cluster.startWorker();
    const trainings = new HeldTrainings(cluster, 'told', holdFolder());
    await trainings.release(1);
    const run = await start('told', 2, { adapterLoading: 'call', stopWhileTraining: true }, {}, true);
    await waitForProgress(run, hasBegun('judgePairs', 2));
    killServer();
    await trainings.held(2, 1);
    await worker.kill();
    cluster.startWorker();
    await trainings.release(2);
    const [seed = 1, first = 0, second = 0] = await accuracies(run);
    assert(first > seed + 0.05 && second > seed + 0.05, [seed, first, second].join());
    // For M_0, for M_1 after its training, again after the kill, and for M_2.
    assert.equal(starts().length, 4);
  });

  it('fails by name if the server answers without the adapter, and goes on when that is corrected', async () => {
    cluster.startWorker();
    writeFileSync(faultFile(), 'base');
    const run = await start('wrong', 1);
    await assert.rejects(run.result(), (error: Error) => {
      const texts: string[] = [];
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) texts.push(cause.message);
      assert.match(
        texts.join('\n'),
        /serves other weights under the name wrong-1-\w{12} than those that were trained/,
      );
      assert.match(texts.join('\n'), /it seems to answer without the adapter/);
      return true;
    });
    rmSync(faultFile());
    const [seed = 1, first = 0] = await accuracies(await start('wrong', 1));
    assert(first > seed + 0.05, `${seed} ${first}`);
  });
});
