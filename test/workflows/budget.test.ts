import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareRuns } from '../../tools/chaos/compare-runs.ts';
import {
  failureMessage,
  startRun,
  type ConfigurationInput,
  type Run,
  type RunProgress,
  type RunResult,
} from '../../src/client/index.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

const failingTrainer = join(import.meta.dirname, '../models/training/failing_trainer.py');

/** Real runs, over two workers, beside one without a budget that ends with the same data. */
describe('a run with a budget', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let workers: WorkerProcess[];
  let unbounded: RunResult;

  /** Shards at once times requests in flight in each. */
  const IN_FLIGHT = 2 * 2;

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({
      script: (request) => {
        const answer = scriptedAnswers(request);
        return answer.kind === 'answer' ? { ...answer, afterMilliseconds: 20 } : answer;
      },
    });
    workers = [cluster.startWorker(), cluster.startWorker('--roles', 'inference')];
    unbounded = await (await startRun(cluster.client, input('unbounded', {}))).result();
    expected = spentBy(unbounded);
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  let expected: { tokens: number; requests: number };

  function input(runName: string, changes: Partial<ConfigurationInput>): ConfigurationInput {
    const hyperparameters = {
      maxSteps: 20,
      perDeviceBatchSize: 4,
      gradientAccumulationSteps: 1,
      maxLength: 1024,
    };
    return tinyConfiguration(runName, endpoint.baseUrl, {
      inference: { concurrentShards: 2, concurrentRequestsPerShard: 2 },
      fineTuning: { rounds: [{ method: 'sft', hyperparameters }], threads: 1 },
      ...changes,
    });
  }

  /** The usage of the stages of a result, each once. */
  function spentBy({ iterations: [first, second] }: RunResult) {
    assert(first !== undefined && second !== undefined);
    const all = [
      first.counts['generatePairs'],
      first.counts['validation'],
      second.counts['judgePairs'],
      second.counts['validation'],
    ];
    const sum = (name: string) => all.reduce((total, counts) => total + (counts?.[name] ?? NaN), 0);
    return { tokens: sum('promptTokens') + sum('completionTokens'), requests: sum('requests') };
  }

  async function until(run: Run, reached: (progress: RunProgress) => boolean): Promise<RunProgress> {
    for (const deadline = performance.now() + 240_000; ;) {
      const progress = await run.progress().catch(() => undefined);
      if (progress !== undefined && reached(progress)) return progress;
      if (progress?.status === 'failed' || performance.now() > deadline)
        throw new Error(`waited in vain: ${JSON.stringify(progress)}`);
      await sleep(100);
    }
  }

  const pausedByBudget = (run: Run) => until(run, ({ paused }) => paused?.by === 'budget');

  /** All requests so far but those that only look whether a model answers. */
  const asked = () => endpoint.requests.filter(({ body }) => !isCanary(body));

  /** How many they are once a run has come to rest. */
  async function requestsAtRest(): Promise<number> {
    for (let before = -1; ;) {
      await sleep(1500);
      const now = asked().length;
      if (now === before) return now;
      before = now;
    }
  }

  /** The budget of a paused run whose requests since `before` have ended and are counted. */
  async function budgetAtRest(run: Run, before: number): Promise<NonNullable<RunProgress['budget']>> {
    await requestsAtRest();
    const isCounted = ({ budget }: RunProgress) => budget?.usage.requests === asked().length - before;
    return (await until(run, isCounted)).budget!;
  }

  const refusal = (told: Promise<void>) =>
    told.then(
      () => assert.fail('it was not refused'),
      (error: unknown) => failureMessage(error),
    );

  const report = (run: Run) => readFile(join(cluster.storeRoot, run.runName, 'report.html'), 'utf8');

  it('has the same result as without a budget if the budget is large enough', () => {
    assert.equal(unbounded.iterations.length, 2);
    // Fewer steps than the warm-up of a hundred has.
    assert(unbounded.warnings.some((warning) => /has 20 steps, all within its warm-up of 100/.test(warning)));
  });

  it('pauses at its limit of tokens, exceeded only by requests in flight, says how to continue, and continues once it is raised', async () => {
    const before = asked().length;
    const limit = Math.round(0.6 * expected.tokens);
    const run = await startRun(cluster.client, input('bounded', { budget: { tokens: limit } }));
    const { paused } = await pausedByBudget(run);
    const budget = await budgetAtRest(run, before);

    const requests = asked().slice(before);
    const most = Math.max(
      ...requests.map(({ body }) => JSON.stringify(body.messages).length + (body.n ?? 1)),
    );
    assert(budget.usage.tokens >= limit, `${budget.usage.tokens} of ${limit}`);
    assert(
      budget.usage.tokens <= limit + IN_FLIGHT * most,
      `${budget.usage.tokens} of ${limit}, ${most} each`,
    );
    assert.equal(budget.usage.requests, requests.length);
    assert.deepEqual(budget.limits, { tokens: limit });

    // The reason contains the command in the form in which it is typed.
    const command = /temporal (workflow update .*) --input '(.*)'$/.exec(paused?.reason ?? '');
    assert(command !== null, paused?.reason);
    assert.match(
      paused?.reason ?? '',
      /^the budget is exhausted: [\d,]+ tokens of [\d,]+ tokens\. To continue:/,
    );
    assert.match(await report(run), /class="status paused">paused<.*<h2>Budget<\/h2>/s);
    assert.match(
      await cluster.cli('workflow', 'metadata', '--workflow-id', 'bounded'),
      /Budget: [\d,]+ tokens of/,
    );
    const listed = async () => cluster.cli('workflow', 'list', '--query', "EvaluatorStatus = 'paused'");
    while (!(await listed()).includes('bounded')) await sleep(200);

    const { usage: spent } = budget;
    assert.match(
      await refusal(run.resume()),
      /the run bounded was paused by its budget, not by a user; it waits for a higher limit/,
    );
    assert.match(
      await refusal(run.setBudget({ tokens: limit - 1 })),
      new RegExp(
        `^tokens is ${limit - 1}, but the run bounded has spent ${spent.tokens.toLocaleString('en-US')} tokens`,
      ),
    );
    assert.match(await refusal(run.setBudget({ usd: 5 })), /usd needs prices .* prices\.tokens\.seed/);
    assert.equal((await pausedByBudget(run)).budget?.limits.tokens, limit);

    await cluster.cli(...(command[1] as string).split(' '), '--input', command[2] as string);
    const result = await run.result();
    assert.deepEqual(spentBy(result), expected);
    assert.deepEqual(compareRuns(cluster.storeRoot, 'unbounded', 'bounded').differences, []);
    assert.match(await report(run), /class="status completed">/);
  });

  it('sends no more requests than allowed, survives restarts of its workers, and is not resumed by a higher budget after a pause by a user', async () => {
    const limit = Math.round(0.3 * expected.requests);
    const before = asked().length;
    const changes = input('counted', { budget: { requests: limit } });
    // It hangs after a step, so that the training is not over before its first seconds are compared with the budget.
    const command = ['{python}', failingTrainer, 'allow', '5', '--job', '{job}'];
    const run = await startRun(cluster.client, {
      ...changes,
      fineTuning: { ...changes.fineTuning, launcher: { kind: 'process', command } },
    });
    await pausedByBudget(run);
    const { requests: sent } = (await budgetAtRest(run, before)).usage;
    // The other process may have sent what it had let through before it heard of these.
    assert(sent >= limit && sent <= limit + IN_FLIGHT, `${sent} of ${limit}`);

    for (const worker of workers) await worker.kill();
    workers = [cluster.startWorker(), cluster.startWorker('--roles', 'inference')];
    assert.equal((await pausedByBudget(run)).budget?.limits.requests, limit);
    assert.equal((await requestsAtRest()) - before, sent);

    await run.pause({ reason: 'the night' });
    await run.setBudget({ requests: null, gpuHours: 1e-4 });
    const { paused, budget } = await run.progress();
    assert.deepEqual([paused?.by, paused?.reason], ['user', 'the night']);
    assert.deepEqual([budget?.limits, budget?.exhausted], [{ gpuHours: 1e-4 }, undefined]);
    assert.equal((await requestsAtRest()) - before, sent);
    await run.resume();

    // A third of a second of training: it stops with a checkpoint, and continues later.
    const training = await pausedByBudget(run);
    assert.deepEqual(
      training.stages.map(({ name }) => name),
      ['fineTune'],
    );
    assert.match(training.paused?.reason ?? '', /GPU hours of 0\.00010 GPU hours/);
    assert((training.budget?.usage.gpuHours ?? 0) >= 1e-4);
    await writeFile(join(cluster.storeRoot, 'counted/iteration-1/training/allowed'), '1000');
    await run.setBudget({ gpuHours: null });
    await run.result();
    assert.deepEqual(compareRuns(cluster.storeRoot, 'unbounded', 'counted').differences, []);
    assert.equal((await run.progress()).budget, undefined);
  });

  it('counts the usage of an earlier start of the run, and none for existing artifacts', async () => {
    const sentBefore = asked().length;
    const first = await startRun(cluster.client, input('again', { budget: { requests: 20 } }));
    await pausedByBudget(first);
    const spentFirst = await budgetAtRest(first, sentBefore);
    await first.cancel();
    await assert.rejects(first.result());
    const before = asked().length;
    const again = await startRun(cluster.client, input('again', { budget: { requests: 20 } }));
    const { budget } = await pausedByBudget(again);
    assert.deepEqual(budget?.usage.requests, spentFirst.usage.requests);
    assert.equal(await requestsAtRest(), before, 'nothing was asked');
    await again.setBudget({ requests: 10_000 });
    await again.result();
    assert.deepEqual(compareRuns(cluster.storeRoot, 'unbounded', 'again').differences, []);
    const done = await again.progress();
    assert.equal(done.budget?.usage.requests, expected.requests);
  });
});
