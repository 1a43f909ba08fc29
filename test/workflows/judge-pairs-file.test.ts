import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import {
  failureMessage,
  type PairsJudging,
  type PairsJudgingResult,
  type PairsJudgingConfigurationInput,
  startPairsJudging,
} from '../../src/client/index.ts';
import { readPrompt } from '../../src/runs/read-prompt.ts';
import type { JudgedPair } from '../../src/pair-judging/judged-pair.ts';
import { fencedBlocks } from '../docs/fenced-blocks.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { countRecords } from '../support/held-answers.ts';
import { correctJudgmentsAfter, sampleJudge } from '../support/sample-judge.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { repeatedRequests } from '../support/scripted-run.ts';

const PAIRS = 60;
/** Shards at once times requests in flight in each. */
const IN_FLIGHT = 2 * 2;

const honest = correctJudgmentsAfter(50);

describe('the workflow judgePairsFile', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let pairs: string;
  let judge: string;

  before(async () => {
    cluster = await startCluster();
    await mkdir(cluster.storeRoot, { recursive: true });
    pairs = join(cluster.storeRoot, '..', 'pairs.jsonl');
    judge = join(cluster.storeRoot, '..', 'judge.json');
    const rows = Array.from({ length: PAIRS }, (_, row) => ({
      instruction: `which is more, ${Math.floor(row / 6)}?`,
      responseA: `it is ${row % 7}`,
      ...(row === 9 ? {} : { responseB: `it is ${row % 5}` }),
      label: row % 7 > row % 5 ? 'A' : row % 7 < row % 5 ? 'B' : 'tie',
    }));
    await writeFile(pairs, rows.map((row) => JSON.stringify(row)).join('\n'));
    await writeFile(judge, JSON.stringify(sampleJudge()));
  });
  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ script: honest });
  });
  afterEach(() => endpoint.close());
  after(() => cluster.close());

  const input = (
    runName: string,
    changes: Partial<PairsJudgingConfigurationInput> = {},
  ): PairsJudgingConfigurationInput => ({
    runName,
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'some-judge' },
    judgeFile: judge,
    pairsFile: pairs,
    shardSize: 10,
    inference: { concurrentRequestsPerShard: 2, concurrentShards: 2 },
    timeouts: { heartbeatSeconds: 5 },
    ...changes,
  });
  const judged = () => endpoint.requests.filter(({ body }) => !isCanary(body));
  /** Answers so many of all requests to judge, and holds further ones until the returned function is called. */
  function answer(most: number): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    endpoint.script((request) => {
      const isHeld = !isCanary(request.body) && judged().length > most;
      return { ...(honest(request) as { kind: 'answer' }), heldUntil: isHeld ? promise : undefined };
    });
    return resolve;
  }
  async function verdictsOf({ verdicts }: PairsJudgingResult): Promise<JudgedPair[]> {
    const text = await readFile(join(cluster.storeRoot, verdicts.uri, 'records.jsonl'), 'utf8');
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JudgedPair);
  }
  async function untilJudged(judging: PairsJudging, requests: number): Promise<void> {
    for (;;) {
      if (judged().length >= requests) return;
      assert.notEqual((await judging.progress().catch(() => undefined))?.status, 'failed');
      await sleep(20);
    }
  }
  async function refusal(configuration: unknown): Promise<string> {
    const handle = await cluster.client.workflow.start('judgePairsFile', {
      workflowId: `wrong-${Math.random()}`,
      taskQueue: cluster.taskQueue,
      args: [configuration],
    });
    const error: unknown = await handle.result().catch((thrown: unknown) => thrown);
    assert(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure, String(error));
    return failureMessage(error);
  }

  it('judges a file in shards, continues after its worker was killed, and can be paused', async () => {
    const worker = cluster.startWorker('--roles', 'workflow,inference');
    // Fewer than a shard has, so that all answers are in journals when the worker is killed.
    answer(16);
    const judging = await startPairsJudging(cluster.client, input('first', { orders: 'both', votes: 2 }));
    await untilJudged(judging, 16 + IN_FLIGHT);
    while ((await countRecords(join(cluster.storeRoot, 'first'))) < 2 * 16) await sleep(20);
    await worker.kill();
    const goOn = answer(40);
    cluster.startWorker('--roles', 'workflow,inference');
    await untilJudged(judging, 40 + IN_FLIGHT);
    await judging.pause({ reason: 'the GPU is needed' });
    goOn();
    assert.equal((await judging.progress()).paused?.reason, 'the GPU is needed');
    // Shards in flight end.
    let asked = -1;
    while (asked !== judged().length) {
      asked = judged().length;
      await sleep(1000);
    }
    assert(asked < 2 * (PAIRS - 1), `all ${asked} requests were sent`);
    await assert.rejects(judging.pause(), (error) => /has been paused since/.test(failureMessage(error)));
    await judging.resume();
    const result = await judging.result();
    const { figures, judge: of, skipped: setAside, warnings } = result;
    assert.deepEqual([figures.pairs, figures.labelledPairs, figures.accuracy], [PAIRS - 1, PAIRS - 1, 1]);
    assert.deepEqual([figures.positionConsistency, figures.judgments, figures.requests], [1, 236, 118]);
    // Ten prompts: 59 independent pairs would have 0.94 to 1.
    const { low = NaN, high } = figures.accuracyInterval ?? {};
    assert(low > 0.69 && low < 0.73 && high === 1, String(low));
    assert.deepEqual([of.run, of.iteration, setAside], ['some-run', 2, 1]);
    assert.match(
      warnings.join(),
      /no pair in 1 row of .*pairs\.jsonl; the first one is row 9: no field "responseB"/,
    );
    assert(figures.tokens.prompt > 0 && figures.tokens.completion >= 236);
    const verdicts = await verdictsOf(result);
    assert.deepEqual(
      verdicts.map(({ row }) => row),
      Array.from({ length: PAIRS }, (_, row) => row).filter((row) => row !== 9),
    );
    assert.deepEqual(verdicts[1]?.orders[1]?.votes, { A: 0, B: 0, tie: 2, none: 0 });
    const stored = JSON.parse(
      await readFile(join(cluster.storeRoot, 'first/result.json'), 'utf8'),
    ) as unknown;
    assert.deepEqual(stored, result);
    assert(
      repeatedRequests(endpoint.requests) <= IN_FLIGHT,
      `${repeatedRequests(endpoint.requests)} requests were sent twice`,
    );
  });

  it('returns its result at once when it is started again, and rejects another configuration under the same name', async () => {
    const same = input('first', { orders: 'both', votes: 2 });
    await (await startPairsJudging(cluster.client, same)).result();
    assert.equal(judged().length, 0);
    const handle = await cluster.client.workflow.start('judgePairsFile', {
      workflowId: 'first-other',
      taskQueue: cluster.taskQueue,
      args: [{ ...same, votes: 3 }],
    });
    const error: unknown = await handle.result().catch((thrown: unknown) => thrown);
    assert.match(
      failureMessage(error),
      /first\/comparisons.* was made with other inputs: votes was 2, now 3/,
    );
    const newer = join(cluster.storeRoot, '..', 'newer-judge.json');
    await writeFile(newer, JSON.stringify({ ...sampleJudge(), iteration: 3 }));
    const byAnother: unknown = await (
      await startPairsJudging(cluster.client, { ...same, judgeFile: newer })
    )
      .result()
      .catch((thrown: unknown) => thrown);
    assert.match(failureMessage(byAnother), /judge was "M_2 of some-run", now "M_3 of some-run"/);
  });

  it('rejects a file with too many rows without a pair, and judges it under the same name once it is fixed', async () => {
    const file = join(cluster.storeRoot, '..', 'mended.jsonl');
    const rows = Array.from({ length: 12 }, (_, row) => ({
      instruction: `${row}?`,
      chosen: 'it is 1',
      rejected: 'it is 0',
    }));
    await writeFile(
      file,
      rows.map((row, at) => JSON.stringify(at === 7 ? { instruction: '?' } : row)).join('\n'),
    );
    const judging = input('mended', { pairsFile: file });
    await assert.rejects((await startPairsJudging(cluster.client, judging)).result(), (error) =>
      /1 of the 12 rows of .*mended\.jsonl hold no pair/.test(failureMessage(error)),
    );
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const { figures } = await (await startPairsJudging(cluster.client, judging)).result();
    assert.deepEqual([figures.pairs, figures.accuracy], [12, 1]);
  });

  it('writes a line without a verdict for a pair that the endpoint rejects', async () => {
    const error = { message: 'maximum context length', code: 'context_length_exceeded' };
    endpoint.script((request) =>
      request.body.messages.at(-1)?.content.endsWith('more, 0? (A) it is 3 (B) it is 3') === true
        ? { kind: 'status', status: 400, error }
        : honest(request),
    );
    const result = await (await startPairsJudging(cluster.client, input('refused'))).result();
    assert.deepEqual([result.figures.pairs, result.figures.failed], [PAIRS - 1, 1]);
    const refused = (await verdictsOf(result))[3];
    assert.deepEqual(
      [refused?.id, refused?.verdict, refused?.failed?.reason],
      ['3', 'none', 'context-length'],
    );
  });

  it('reports all problems at once', async () => {
    const notPairs = join(packageRoot, 'embedded/instructions.jsonl');
    const { judgeFile: _judge, ...without } = input('wrong', { pairsFile: notPairs });
    const { runName: _runName, ...message } = { ...without, vote: 3 };
    const wrong = await refusal(message);
    assert.match(wrong, /\n {2}runName: missing/);
    assert.match(wrong, /\n {2}vote: unknown field; known here: .*votes/);
    assert.match(wrong, /\n {2}judgeFile: missing: an endpoint does not say which prompt its judge needs/);
    assert.match(wrong, /\n {2}pairsFile: .*instructions\.jsonl holds no pairs, row 0: /);
    const noJudge = await refusal(
      input('no-judge', {
        judgeFile: 'nowhere/judge.json',
        serving: { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedModelName: 'x' },
      }),
    );
    assert.match(noJudge, /\n {2}judgeFile: no such file or folder: .*nowhere\/judge\.json/);
    assert.match(noJudge, /\n {2}serving: .*127\.0\.0\.1:9/);
    const noRun = await refusal({
      ...without,
      runName: 'no-run',
      pairsFile: pairs,
      model: { checkpoint: 'run:nobody/best' },
    });
    assert.match(noRun, /\n {2}model\.checkpoint: no run "nobody" in the store/);
    const bare = await refusal({
      ...without,
      runName: 'bare',
      pairsFile: pairs,
      model: { checkpoint: 'embedded/model' },
    });
    assert.match(
      bare,
      /\n {2}judgeFile: the checkpoint .*embedded.model has no judge\.json.*; or set judgeFile/,
    );
    const same = await refusal(
      input('votes', { votes: 3, sampling: { temperature: 0, topP: 1, maxTokens: 9 } }),
    );
    assert.match(same, /\n {2}sampling\.temperature: found 0 with votes 3: all votes would be the same/);
  });

  it('judges with the command in docs/judge.md and the embedded model of a run', async () => {
    await cluster.stopWorkers();
    cluster.startWorker();
    // As a run that has chosen the embedded seed model leaves it.
    const run = join(cluster.storeRoot, 'embedded');
    await mkdir(join(run, 'iteration-0'), { recursive: true });
    const model = { checkpoint: 'embedded/model', sha256: '' };
    await writeFile(
      join(run, 'result.json'),
      JSON.stringify({ iterations: [{ iteration: 0, model }], best: 0 }),
    );
    const { user } = await readPrompt({ roots: [packageRoot] }, 'prompts/compact/judge', []);
    const sampling = { temperature: 0, topP: 1, maxTokens: 32 };
    const seedJudge = { ...sampleJudge({ sampling, run: 'embedded', iteration: 0 }), prompt: { user } };
    await writeFile(join(run, 'iteration-0/judge.json'), JSON.stringify(seedJudge));

    const temporal = process.env['SELF_TAUGHT_EVALUATOR_TEMPORAL'] ?? 'temporal';
    const [command] = fencedBlocks(join(packageRoot, 'docs/judge.md')).filter(
      ({ text, language }) => language === 'sh' && text.startsWith('temporal workflow start'),
    );
    const script = `${command?.text.replace('temporal', '"$0"')} --address ${cluster.address}`;
    const started = spawnSync('bash', ['-c', script, temporal], { cwd: packageRoot, encoding: 'utf8' });
    assert.equal(started.status, 0, started.stderr);
    const result = (await cluster.client.workflow.getHandle('judge-pairs').result()) as PairsJudgingResult;
    assert.equal(result.model.checkpoint, 'embedded/model');
    assert.deepEqual([result.figures.pairs, result.figures.orderAccuracy?.toFixed(3)], [360, '0.697']);
    assert.equal(result.figures.accuracy?.toFixed(3), '0.400');
  });
});
