import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ConfigurationInput,
  failureMessage,
  type Run,
  type RunResult,
  startRun,
} from '../../src/client/index.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { flipByte } from '../support/flip-byte.ts';
import {
  isCanary,
  type RecordedRequest,
  type ScriptedEndpoint,
  startScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { isJudgeRequest, repeatedRequests } from '../support/scripted-run.ts';
import { makeTestPlan, plannedRequests } from '../support/test-plan.ts';
import { scriptedAnswers, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

const BENCHMARK = 'embedded/benchmark/validation.jsonl';
const correctAnswers = new Map(
  readFileSync(join(packageRoot, BENCHMARK), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly prompt: string; readonly chosen: string })
    .map(({ prompt, chosen }) => [prompt, chosen] as const),
);

/** The step of the checkpoint that a request is sent to; `last` for that of the last step. */
function stepOf({ body }: RecordedRequest): number | 'last' | undefined {
  if (isCanary(body) || !isJudgeRequest(body)) return undefined;
  const step = /\/iteration-1\/trainer\/candidates\/step-(\d+)\/model$/.exec(body.model)?.[1];
  if (step !== undefined) return Number(step);
  return body.model.endsWith('/iteration-1/trainer/model') ? 'last' : undefined;
}

/** The checkpoints of the steps 2 and 3 always name the right answer, that of step 1 always A. */
function verdictOf(request: RecordedRequest): string | undefined {
  const step = stepOf(request);
  if (step === undefined) return undefined;
  if (step === 1) return '[[A]]';
  const text = request.body.messages.map(({ content }) => content).join('\n');
  const [, question = '', answer = ''] =
    /\[User Question\]\n(.*)\n\n\[The Start of Assistant A's Answer\]\n(.*)\n/.exec(text) ?? [];
  return correctAnswers.get(question) === answer ? '[[A]]' : '[[B]]';
}

describe('a run that selects a checkpoint of each training by validation', function () {
  this.timeout(400_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let worker: WorkerProcess;
  let result: RunResult;
  /** Answers to the checkpoint of step 2 wait for it. */
  let held: Promise<void> | undefined;

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({
      script: (request) => {
        const verdict = verdictOf(request);
        return verdict === undefined
          ? scriptedAnswers(request)
          : {
              ...{ kind: 'answer' as const, texts: [`reasons . ${verdict}`], finishReason: 'stop' },
              heldUntil: stepOf(request) === 2 ? held : undefined,
            };
      },
    });
    worker = cluster.startWorker();
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  function input(runName: string, everySteps = 1): ConfigurationInput {
    const { fineTuning, ...tiny } = tinyConfiguration(runName, endpoint.baseUrl);
    return {
      ...tiny,
      serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: '{checkpoint}' },
      fineTuning: {
        ...fineTuning,
        rounds: [
          {
            method: 'sft',
            selectCheckpoint: { everySteps },
            hyperparameters: {
              ...{ maxSteps: 3, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, maxLength: 1024 },
              ...{ warmupSteps: 0, learningRate: 0.001 },
            },
          },
        ],
      },
    };
  }

  const file = (...path: string[]) => join(cluster.storeRoot, ...path);
  const hasModel = (run: string, ...path: string[]) =>
    existsSync(file(run, 'iteration-1', ...path, 'model', 'model.safetensors'));
  const json = async (...path: string[]) =>
    JSON.parse(await readFile(file(...path), 'utf8')) as Readonly<Record<string, unknown>>;
  const askedSince = (start: number) => endpoint.requests.slice(start).filter(({ body }) => !isCanary(body));

  it('makes the earliest of the best the judge, with the answers that it has given', async () => {
    result = await (await startRun(cluster.client, input('run'))).result();
    const [, judge] = result.iterations;
    assert.deepEqual(judge?.training?.checkpoints, [
      { step: 1, figure: 0.5, chosen: false },
      { step: 2, figure: 1, chosen: true },
      { step: 3, figure: 1, chosen: false },
    ]);
    assert.equal(judge.evaluations[0]?.accuracy, 1);
    assert.equal(judge.model.checkpoint, 'store:run/iteration-1/training/model');
    const items = correctAnswers.size;
    const asked = endpoint.requests.map(stepOf);
    assert.deepEqual(
      [1, 2, 'last'].map((step) => asked.filter((each) => each === step).length),
      [2 * items, 2 * items, 2 * items],
    );
    const ofJudge = endpoint.requests.filter(({ body }) => body.model.endsWith('/training/model'));
    assert.equal(ofJudge.filter(({ body }) => !isCanary(body)).length, 0);
    assert.equal(judge.counts['selectCheckpoint']?.['requests'], 4 * items);
    assert.equal(judge.counts['validation']?.['requests'], 2 * items);
  });

  it('keeps the weights of the judge only, and says which step it is', async () => {
    assert(hasModel('run', 'training'));
    for (const other of ['trainer', 'trainer/candidates/step-1', 'trainer/candidates/step-2'])
      assert(!hasModel('run', ...other.split('/')), other);
    const training = await json('run', 'iteration-1', 'training', 'result.json');
    assert.equal(training['steps'], 2);
    const fingerprint = await json('run', 'iteration-1', 'training', 'fingerprint.json');
    assert.deepEqual(
      [fingerprint['step'], fingerprint['selectCheckpoint'], fingerprint['modelSelection']],
      [2, { everySteps: 1 }, { benchmark: null, metric: 'accuracy' }],
    );
    const report = await readFile(file('run', 'report.html'), 'utf8');
    const table = /<h3>Checkpoints<\/h3>[\s\S]*?<\/table>/.exec(report)?.[0] ?? '';
    const rows = [...table.matchAll(/<tr[^>]*>([\s\S]*?)<\/tr>/g)]
      .slice(1)
      .map(([, row = '']) =>
        [...row.matchAll(/<td[^>]*>([\s\S]*?)<\/td>/g)].map(([, cell = '']) => cell.trim()),
      );
    assert.deepEqual(
      rows.map(([, ...cells]) => cells),
      [
        ['1', '50.0%', '–'],
        ['2', '100.0%', 'chosen'],
        ['3', '100.0%', '–'],
      ],
    );
  });

  it('is planned with the evaluations that it takes', async () => {
    const plan = await makeTestPlan(input('plan'), cluster.storeRoot);
    const ofIteration = plan.stages.filter(({ iteration }) => iteration === 1);
    assert.equal(ofIteration.find(({ stage }) => stage === 'fineTune')?.training?.checkpoints, 3);
    assert.equal(plannedRequests(plan, 'selectCheckpoint'), 4 * correctAnswers.size);
    const again = await makeTestPlan(input('run'), cluster.storeRoot);
    assert.deepEqual(
      again.stages.filter(({ reused }) => reused < 1),
      [],
    );
  });

  it('asks nothing when it is started again, and is refused if it would be chosen by another figure', async () => {
    const before = endpoint.requests.length;
    const again = await (await startRun(cluster.client, input('run'))).result();
    assert.deepEqual(askedSince(before), []);
    assert.deepEqual(again.iterations[1]?.training?.checkpoints, result.iterations[1]?.training?.checkpoints);
    const other = { ...input('run'), modelSelection: { metric: 'positionConsistentAccuracy' as const } };
    await assert.rejects(
      async () => (await startRun(cluster.client, other)).result(),
      (error) => /modelSelection\.metric was "accuracy"/.test(failureMessage(error)),
    );
    assert.deepEqual(askedSince(before), []);
  });

  it('trains again if the weights of its judge are damaged, and chooses the same', async () => {
    const weights = file('run', 'iteration-1', 'training', 'model', 'model.safetensors');
    const intact = readFileSync(weights);
    await flipByte(weights);
    const again = await (await startRun(cluster.client, input('run'))).result();
    assert.deepEqual(again.iterations[1]?.model, result.iterations[1]?.model);
    assert(readFileSync(weights).equals(intact));
  });

  it('goes on with the checkpoints that are left when its worker is killed while one is validated', async () => {
    const before = endpoint.requests.length;
    const release = Promise.withResolvers<void>();
    held = release.promise;
    const run = await startRun(cluster.client, input('killed'));
    await waitForProgress(
      run,
      ({ stages, completedIterations }) =>
        // The evaluation of the seed model may run beside the training.
        completedIterations.length === 1 &&
        askedSince(before).some((request) => stepOf(request) === 2) &&
        stages.some(({ name, done = 0 }) => name === 'selectCheckpoint' && done > 0),
    );
    await worker.kill();
    held = undefined;
    release.resolve();
    worker = cluster.startWorker();
    const killed = await run.result();
    assert.deepEqual(
      killed.iterations[1]?.training?.checkpoints,
      result.iterations[1]?.training?.checkpoints,
    );
    assert.equal(killed.iterations[1]?.model.sha256, result.iterations[1]?.model.sha256);
    const sent = askedSince(before);
    assert.equal(repeatedRequests(sent.filter((request) => stepOf(request) !== 2)), 0);
    assert(!hasModel('killed', 'trainer', 'candidates', 'step-1'));
  });

  it('goes on if it ended while the chosen weights were moved', async () => {
    const folder = (...path: string[]) => file('killed', 'iteration-1', ...path);
    rmSync(folder('training', 'result.json'));
    mkdirSync(folder('trainer', 'candidates', 'step-2', 'model'), { recursive: true });
    renameSync(
      folder('training', 'model', 'model.safetensors'),
      folder('trainer', 'candidates', 'step-2', 'model', 'model.safetensors'),
    );
    const before = endpoint.requests.length;
    await (await startRun(cluster.client, input('killed'))).result();
    assert.deepEqual(askedSince(before), []);
    assert(hasModel('killed', 'training'));
  });

  it('warns if a training is too short for a choice', async () => {
    const short = await (await startRun(cluster.client, input('short', 5))).result();
    assert.deepEqual(short.iterations[1]?.training?.checkpoints, [{ step: 3, chosen: true }]);
    assert.match(short.warnings.join('\n'), /M_1 has only 3 steps/);
    assert(hasModel('short', 'training'));
  });

  it('pauses between the checkpoints, and goes on', async () => {
    const before = endpoint.requests.length;
    const release = Promise.withResolvers<void>();
    held = release.promise;
    const run: Run = await startRun(cluster.client, input('paused'));
    await waitForProgress(run, () => askedSince(before).some((request) => stepOf(request) === 2));
    await run.pause({ reason: 'a test' });
    held = undefined;
    release.resolve();
    await waitForProgress(
      run,
      ({ status, stages }) =>
        status === 'paused' && stages.some(({ name, done }) => name === 'selectCheckpoint' && done === 4),
    );
    assert.equal(askedSince(before).filter((request) => stepOf(request) === 'last').length, 0);
    await run.resume();
    const paused = await run.result();
    assert.deepEqual(
      paused.iterations[1]?.training?.checkpoints,
      result.iterations[1]?.training?.checkpoints,
    );
  });
});
