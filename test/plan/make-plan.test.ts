import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRun, type ConfigurationInput } from '../../src/client.ts';
import { readAssumption } from '../../src/plan/assumptions.ts';
import { ratesFrom } from '../../src/plan/rates.ts';
import {
  startScriptedEndpoint,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../inference/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../workflows/cluster.ts';
import { isJudging } from '../workflows/scripted-run.ts';
import { answers, tinyConfiguration, withCategories } from '../workflows/tiny-run.ts';
import { assertWithinTwo, plannedRequests, planOf } from './plan-of.ts';

/** How many requests the endpoint had of each stage; the single tokens of checks aside. */
function requestsByStage(requests: readonly RecordedRequest[]): Map<string, number> {
  const asked = requests.filter(({ body }) => body.max_tokens !== 1);
  const stages = Map.groupBy(asked, ({ body }) => {
    if (body.max_tokens === 32) return 'categorizeInstructions';
    if (!isJudging(body)) return 'generatePairs';
    return body.n === undefined ? 'evaluateJudge' : 'judgePairs';
  });
  return new Map([...stages].map(([stage, { length }]) => [stage, length]));
}

describe('the plan of a run', function () {
  this.timeout(300_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let empty: string;
  let input: ConfigurationInput;

  before(async () => {
    endpoint = await startScriptedEndpoint({ script: answers });
    cluster = await startCluster();
    empty = await mkdtemp(join(tmpdir(), 'plan-'));
    const { instructions } = withCategories;
    input = tinyConfiguration('planned', endpoint.baseUrl, { ...(instructions && { instructions }) });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(empty, { recursive: true, force: true });
  });

  it('asks nobody and leaves nothing, then the run makes as many requests, within a factor of two', async () => {
    const plan = await planOf(input, join(empty, 'store'));
    // Preflight has asked for one token.
    assert(endpoint.requests.every(({ body }) => body.max_tokens === 1));
    assert(!existsSync(join(empty, 'store')));
    assert.deepEqual(
      plan.missing.map(({ path }) => path),
      ['python'],
    );
    assert.deepEqual(plan.remaining, plan.whole);

    cluster.startWorker();
    await (await startRun(cluster.client, input)).result();
    const real = requestsByStage(endpoint.requests);
    assert.deepEqual([...real.keys()].sort(), [
      'categorizeInstructions',
      'evaluateJudge',
      'generatePairs',
      'judgePairs',
    ]);
    for (const [stage, requests] of real) assertWithinTwo(plannedRequests(plan, stage), requests, stage);
    assertWithinTwo(
      plan.whole.requests,
      [...real.values()].reduce((sum, each) => sum + each, 0),
      'all stages',
    );
  });

  it('takes up all that a run has left, and only what stays the same', async () => {
    const again = await planOf(input, cluster.storeRoot);
    assert.deepEqual(
      again.stages.map(({ reused }) => reused),
      again.stages.map(() => 1),
    );
    assert.equal(again.remaining.requests + again.remaining.trainingTokens, 0);
    assert.equal(again.counts?.selected, 20);
    assert.equal(again.earlierRun, 'planned');
    assert(again.whole.seconds !== undefined && again.whole.seconds > 0);

    const longer = await planOf({ ...input, iterations: 2 }, cluster.storeRoot);
    assert.deepEqual(
      longer.stages.filter(({ reused }) => reused < 1).map(({ iteration }) => iteration),
      [2, 2, 2],
    );

    const redone = await planOf({ ...input, redo: '1/judge-pairs' }, cluster.storeRoot);
    assert.deepEqual(
      redone.stages.filter(({ reused }) => reused < 1).map(({ stage, iteration }) => [iteration, stage]),
      [
        [1, 'judgePairs'],
        [1, 'fineTune'],
        [1, 'evaluateJudge'],
      ],
    );

    const changed = { ...input, judging: { samples: 3 } };
    const { missing } = await planOf(changed, cluster.storeRoot);
    assert.match(missing.at(-1)?.message ?? '', /made from something else: samples was 4, now 3.*"redo"/);
  });

  it('measures by a probe what answers take, and by given rates how long it takes', async () => {
    const before = endpoint.requests.length;
    const rates = ratesFrom({ tokensPerSecond: 1000, stages: {}, trainingTokensPerSecond: 50 });
    const plan = await planOf(input, join(empty, 'store'), { rates, probeSeconds: 30 });
    assert.equal(plan.probe?.problem, undefined);
    assert.equal(plan.probe?.requests, endpoint.requests.length - before - PREFLIGHT_AND_CANARIES);
    // The endpoint says of each answer that it is one token.
    const measured = plan.assumptions.filter(({ from }) => from === 'probe');
    assert.deepEqual(
      measured.map(({ name, value }) => [name, value]),
      ['categoryTokens', 'responseTokens', 'similarTokens', 'judgmentTokens', 'verdictTokens'].map((name) => [
        name,
        1,
      ]),
    );
    const { promptTokens, completionTokens, trainingTokens, seconds = 0 } = plan.whole;
    const expected = (promptTokens + completionTokens) / 1000 + trainingTokens / 50;
    assert(Math.abs(seconds - expected) < 1, `${seconds} s for ${expected} s`);
  });

  it('has no time without a rate, and says how to get one; a price makes a cost', async () => {
    const prices = { tokens: { seed: { prompt: 2, completion: 6 } } };
    const plan = await planOf({ ...input, prices }, join(empty, 'store'));
    assert.equal(plan.whole.seconds, undefined);
    assert(plan.notes.some((note) => /No time for.*--rates FILE.*--probe/.test(note)));
    const [categorizing] = plan.stages;
    const { promptTokens = 0, completionTokens = 0, usd } = categorizing?.whole ?? {};
    assert(Math.abs((usd ?? 0) - (2 * promptTokens + 6 * completionTokens) / 1e6) < 1e-3);
  });

  it('counts what it can where files are missing, and names them', async () => {
    const [benchmark] = input.evaluation.benchmarks;
    const without: ConfigurationInput = {
      ...input,
      instructions: { pool: ['nowhere/*.parquet'] },
      evaluation: { benchmarks: [{ ...benchmark, name: 'gone', path: 'nowhere.jsonl' } as never] },
    };
    const plan = await planOf(without, join(empty, 'store'));
    const paths = plan.missing.map(({ path }) => path);
    assert.deepEqual(paths.sort(), ['evaluation.benchmarks.0.path', 'instructions.pool.0', 'python']);
    assert.deepEqual(plan.stages, []);
    assert(plan.memory.length === 1 && plan.uncounted.length === 2);
    // Also where the run is in the store already.
    assert.deepEqual((await planOf(without, cluster.storeRoot)).missing, plan.missing);

    const assumptions = Object.fromEntries([readAssumption('instructions=1000')]);
    const assumed = await planOf(without, join(empty, 'store'), { assumptions });
    assert.equal(assumed.counts?.selected, 1000);
    assert.deepEqual(
      assumed.stages.map(({ stage }) => stage),
      ['generatePairs', 'judgePairs', 'fineTune'],
    );
  });

  it('says which endpoint is down, and by which rule prompts are counted', async () => {
    const down = { kind: 'endpoint', baseUrl: 'http://127.0.0.1:9/v1', servedName: 'x' } as const;
    const pool = join(empty, 'pool.jsonl');
    await writeFile(pool, '{"instruction":"Count to ten."}\n');
    const plan = await planOf(
      { ...input, serving: down, instructions: { pool: [pool] } },
      join(empty, 'store'),
      { probeSeconds: 5 },
    );
    assert.match(plan.missing.find(({ path }) => path === 'serving')?.message ?? '', /127\.0\.0\.1:9/);
    assert.match(plan.probe?.problem ?? '', /127\.0\.0\.1:9/);
    const [counted] = plan.tokenizers;
    assert.equal(counted?.by.kind, 'rule');
    assert.equal(plan.counts?.instructions, 1);
  });
});

/** One request of a token each: preflight, and each of the three models before it is asked. */
const PREFLIGHT_AND_CANARIES = 4;
