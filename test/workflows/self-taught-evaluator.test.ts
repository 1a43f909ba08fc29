import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import {
  failureMessage,
  findRun,
  startRun,
  type ConfigurationInput,
  type RunResult,
} from '../../src/client/index.ts';
import type { TrainingJob } from '../../src/models/training/job.ts';
import { SEARCH_ATTRIBUTES } from '../../src/workflows/search-attributes.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type Behaviour,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import {
  isJudgeRequest,
  SCRIPTED_JUDGE_PROMPT,
  scriptedAnswer,
  scriptedConfiguration,
} from '../support/scripted-run.ts';

describe('selfTaughtEvaluator', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    cluster = await startCluster();
    const people = Array.from({ length: PEOPLE }, (_, index) => ({
      prompt: `human question ${index}`,
      chosen: 'better',
      rejected: 'worse',
    }));
    const lines = people.map((row) => `${JSON.stringify(row)}\n`).join('');
    await mkdir(cluster.storeRoot, { recursive: true });
    await writeFile(join(cluster.storeRoot, 'people.jsonl'), lines);
    endpoint = await startScriptedEndpoint({
      script: (request) => ({ kind: 'answer', texts: scriptedAnswer(request), finishReason: 'stop' }),
    });
  });

  /** Pairs that people have labelled, beside the generated ones. */
  const PEOPLE = 5;

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  const configuration = (runName: string, changes: Partial<ConfigurationInput> = {}) =>
    scriptedConfiguration(endpoint.baseUrl, runName, {
      filtering: {
        humanData: [{ name: 'people', path: join(cluster.storeRoot, 'people.jsonl'), weight: 0.1 }],
      },
      ...changes,
    });

  async function refusal(input: unknown, workflowId: string, ...more: unknown[]) {
    const { client, taskQueue } = cluster;
    const args = [input, ...more];
    const running = client.workflow.execute('selfTaughtEvaluator', { workflowId, taskQueue, args });
    const error: unknown = await running.then(
      () => assert.fail('the run was not refused'),
      (thrown: unknown) => thrown,
    );
    assert(error instanceof WorkflowFailedError);
    assert(error.cause instanceof ApplicationFailure, String(error.cause));
    return error.cause;
  }

  it('names the roles that have no worker, before any work', async () => {
    const worker = cluster.startWorker('--roles', 'workflow,inference');
    const failure = await refusal(configuration('lonely'), 'lonely');
    assert.match(failure.message, /no worker with role gpu on queue self-taught-evaluator-gpu/);
    assert.equal(failure.nonRetryable, true);
    assert(!existsSync(join(cluster.storeRoot, 'lonely')));
    await worker.stop();
  });

  it('rejects a second input, which only a run that continues as new has', async () => {
    const worker = cluster.startWorker('--roles', 'workflow');
    const failure = await refusal(configuration('two-inputs'), 'two-inputs', {});
    assert.match(failure.message, /a run takes one input, its configuration; found two/);
    await worker.stop();
  });

  it('reports all problems of a configuration at once, from every role', async () => {
    cluster.startWorker();
    const wrong = {
      ...configuration('wrong'),
      iteration: 3,
      judging: { samples: 'many', prompt: 'prompts/respond' },
      serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:18999/v1', servedModelName: 'x-{iteration}' },
      models: {
        seed: { checkpoint: 'no/such/folder' },
        generator: { checkpoint: 'embedded/model', servings: 1 },
      },
      instructions: { pool: ['no-such-pool.jsonl'] },
      fineTuning: { launcher: { kind: 'process', command: ['{pyhton}', '-m', 'trainer'] } },
    };
    const failure = await refusal(wrong, 'wrong');
    assert.equal(failure.type, 'InvalidConfiguration');
    assert.equal(failure.nonRetryable, true);
    const problems = (failure.details?.[0] ?? []) as { path: string; message: string }[];
    assert.deepEqual(problems.map(({ path }) => path).sort(), [
      'fineTuning.launcher',
      'instructions.pool.0',
      'iteration',
      'judging.prompt',
      'judging.samples',
      'models.generator.servings',
      'models.seed.checkpoint',
      'serving',
    ]);
    const message = (path: string) => problems.find((problem) => problem.path === path)?.message ?? '';
    assert.match(message('iteration'), /unknown field; known here: .*iterations/);
    assert.match(message('judging.samples'), /expected number.*found "many"/);
    assert.match(message('judging.prompt'), /lacks \{responseA\} and \{responseB\}/);
    assert.match(message('instructions.pool.0'), /\/no-such-pool\.jsonl/);
    assert.match(message('fineTuning.launcher'), /\{pyhton\}/);
    for (const { path } of problems)
      assert(failure.message.includes(path), `the message does not name ${path}`);
  });

  it('runs the loop, answers queries for its progress, and writes its result and report to the store', async () => {
    const input = configuration('loop');
    const run = await startRun(cluster.client, input);
    const result = await run.result();
    const [seed, first] = result.iterations;
    assert.deepEqual(
      result.iterations.map(({ iteration }) => iteration),
      [0, 1],
    );
    assert.equal(seed?.evaluations[0]?.pairs, first?.evaluations[0]?.pairs);
    assert.equal(first?.counts['judgePairs']?.['judgments'], (40 + PEOPLE) * 2 * 4);
    assert.equal(first.counts['addHumanPairs']?.['humanPairs'], PEOPLE);
    assert((first.trainingExamples ?? 0) >= 16);
    const trained = await readFile(
      join(cluster.storeRoot, 'loop/iteration-1/training-set/records.jsonl'),
      'utf8',
    );
    assert(trained.includes('human question'));
    assert.match(first.model.checkpoint, /^store:loop\/iteration-1\/training\/model$/);
    const stored = JSON.parse(
      await readFile(join(cluster.storeRoot, 'loop/result.json'), 'utf8'),
    ) as RunResult;
    assert.deepEqual(stored, result);
    assert.match(await readFile(join(cluster.storeRoot, result.report), 'utf8'), /<svg/);
    const progress = await run.progress();
    assert.equal(progress.status, 'completed');
    assert.deepEqual(progress.stages, []);
    assert.equal(progress.completedIterations.length, 2);
  });

  it('fine-tunes each iteration according to its round: by SFT from M_0, then by DPO from the resulting judge', async () => {
    const shared = { epochs: 1, perDeviceBatchSize: 16, gradientAccumulationSteps: 1, maxLength: 1024 };
    const input = configuration('rounds', {
      iterations: 2,
      instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 20, shardSize: 10 },
      filtering: { minExamples: 4 },
      fineTuning: {
        rounds: [
          { method: 'sft', hyperparameters: shared },
          { method: 'dpo', initFrom: 'previous', hyperparameters: shared },
        ],
        threads: 1,
      },
    });
    const { iterations } = await (await startRun(cluster.client, input)).result();
    const jobOf = async (iteration: number) => {
      const starts = join(cluster.storeRoot, `rounds/iteration-${iteration}/training/starts`);
      const [file] = await Array.fromAsync(glob('*/job.json', { cwd: starts }));
      return JSON.parse(await readFile(join(starts, file ?? ''), 'utf8')) as TrainingJob;
    };
    const [first, second] = [await jobOf(1), await jobOf(2)];
    assert.deepEqual([first.method, second.method], ['sft', 'dpo']);
    assert.match(first.baseCheckpoint, /embedded\/model$/);
    assert.equal(second.baseCheckpoint, join(cluster.storeRoot, 'rounds/iteration-1/training/model'));
    assert((iterations[2]?.trainingExamples ?? 0) >= 4);
    assert.notEqual(iterations[2]?.model.sha256, iterations[1]?.model.sha256);
  });

  it('can be found by its search attributes', async () => {
    const query = "EvaluatorRun = 'loop' AND EvaluatorStatus = 'completed' AND EvaluatorIteration = 1";
    const accuracy = (await findRun(cluster.client, 'loop').result()).iterations[0]?.evaluations[0]?.accuracy;
    for (let found = 0; found === 0; await sleep(200)) {
      for await (const { workflowId, typedSearchAttributes } of cluster.client.workflow.list({ query })) {
        found += 1;
        assert.equal(workflowId, 'loop');
        const { bestAccuracy, seedModel } = SEARCH_ATTRIBUTES;
        assert((typedSearchAttributes.get(bestAccuracy) ?? 0) >= (accuracy ?? 1));
        assert.equal(typedSearchAttributes.get(seedModel), 'embedded/model');
      }
    }
  });

  it('sends no request when a finished run is started again', async () => {
    const asked = endpoint.requests.length;
    const before = await findRun(cluster.client, 'loop').result();
    const again = await (await startRun(cluster.client, configuration('loop'))).result();
    assert.deepEqual(
      again.iterations.map(({ evaluations }) => evaluations),
      before.iterations.map(({ evaluations }) => evaluations),
    );
    // One canary request for each time that a model is served; nothing for pairs, judgments or benchmarks.
    const repeated = endpoint.requests.slice(asked).filter(({ body }) => !isCanary(body));
    assert.equal(repeated.length, 0);
  });

  it('refuses to mix artifacts of different configurations, and names the field', async () => {
    const changed = configuration('loop', {
      judging: {
        samples: 4,
        prompt: SCRIPTED_JUDGE_PROMPT,
        sampling: { temperature: 0.1, topP: 0.9, maxTokens: 4096 },
      },
    });
    const error: unknown = await startRun(cluster.client, changed)
      .then((run) => run.result())
      .catch((thrown: unknown) => thrown);
    assert.match(
      failureMessage(error),
      /loop\/iteration-1\/judgments\/shard-0000\d was made with other inputs: sampling\.temperature was 0\.7, now 0\.1/,
    );
  });

  it('fails with a named error if rejection sampling leaves too few examples', async () => {
    endpoint.script(() => ({ kind: 'answer', finishReason: 'stop' }));
    const run = await startRun(cluster.client, configuration('undecided'));
    const error: unknown = await run.result().catch((thrown: unknown) => thrown);
    endpoint.script((request) => ({ kind: 'answer', texts: scriptedAnswer(request), finishReason: 'stop' }));
    assert.match(
      failureMessage(error),
      /iteration 1 has 0 training examples, fewer than filtering\.minExamples \(16\)/,
    );
    assert.equal((await run.progress()).status, 'failed');
  });

  it("waits as long as the endpoint's Retry-After says, and fails at once if it rejects the key", async () => {
    const scripted = (behaviour: Behaviour) =>
      endpoint.script((request) =>
        isJudgeRequest(request.body)
          ? behaviour
          : { kind: 'answer', texts: scriptedAnswer(request), finishReason: 'stop' },
      );
    scripted({ kind: 'status', status: 429, headers: { 'retry-after': '400' } });
    const run = await startRun(cluster.client, configuration('rejected'));
    const workflowId = 'rejected/0/evaluateJudge/test';
    const waiting = async () => {
      const { raw } = await cluster.client.workflow.getHandle(workflowId).describe();
      return raw.pendingActivities?.find(({ lastFailure }) => Boolean(lastFailure));
    };
    let activity = await waiting().catch(() => undefined);
    while (activity === undefined) {
      await sleep(200);
      activity = await waiting().catch(() => undefined);
    }
    const { activityId, lastFailure, scheduledTime } = activity;
    assert.match(lastFailure?.message ?? '', /rate-limit.*It asks for no request within 400 s/);
    assert(Number(scheduledTime?.seconds) - Date.now() / 1000 > 300, 'it is asked again after that time');

    scripted({ kind: 'status', status: 401, error: { message: 'unknown key' } });
    await cluster.cli(
      ...['activity', 'reset', '--workflow-id', workflowId, '--activity-id', activityId ?? ''],
    );
    const error: unknown = await run.result().catch((thrown: unknown) => thrown);
    endpoint.script((request) => ({ kind: 'answer', texts: scriptedAnswer(request), finishReason: 'stop' }));
    assert.match(failureMessage(error), /doesn't accept the key: .*unknown key.*No key was sent/);
    assert.equal((await run.progress()).status, 'failed');
  });

  it('joins a second start with an equivalent configuration, and rejects one with another configuration', async () => {
    const { client, taskQueue } = cluster;
    endpoint.script(({ body }) => (isCanary(body) ? { kind: 'answer' } : { kind: 'hang' }));
    const owner = await startRun(client, configuration('shared'));
    while ((await owner.progress()).status === 'planning') await sleep(100);

    const failure = await refusal(configuration('shared', { seed: 7 }), 'other-seed');
    assert.match(
      failure.message,
      /belongs to the workflow shared, which is running.*seed is 42 in that run and 7 in this one/,
    );

    const joined = await client.workflow.start('selfTaughtEvaluator', {
      workflowId: 'joined',
      taskQueue,
      args: [configuration('shared', { inference: { concurrentShards: 2 } })],
    });
    while ((await findRun(client, 'joined').progress()).status === 'planning') await sleep(100);
    assert.equal((await findRun(client, 'joined').progress()).status, 'joined');
    await owner.cancel();
    // The one that joined ends as the owner does.
    await assert.rejects(joined.result(), WorkflowFailedError);
    await assert.rejects(owner.result(), WorkflowFailedError);
    assert.equal((await owner.progress()).status, 'cancelled');
    endpoint.script((request) => ({ kind: 'answer', texts: scriptedAnswer(request), finishReason: 'stop' }));
  });
});
