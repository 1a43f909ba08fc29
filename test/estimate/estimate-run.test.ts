import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, type ConfigurationInput } from '../../src/client/index.ts';
import { parseAssumption } from '../../src/estimate/assumptions.ts';
import { machineGpus } from '../../src/models/gpus/machine-gpus.ts';
import { expandRates } from '../../src/estimate/rates.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { scriptedAnswers, tinyConfiguration, withCategories } from '../support/tiny-run.ts';
import { assertWithinFactorTwo, plannedRequests, makeTestPlan } from '../support/test-plan.ts';

/** The requests that the endpoint received, by stage, without the checks. */
function requestsByStage(requests: readonly RecordedRequest[]): Map<string, number> {
  const asked = requests.filter(({ body }) => !isCanary(body));
  const stages = Map.groupBy(asked, ({ body }) => {
    if (body.max_tokens === 32) return 'categorizeInstructions';
    if (!isJudgeRequest(body)) return 'generatePairs';
    return body.n === undefined ? 'evaluateJudge' : 'judgePairs';
  });
  return new Map([...stages].map(([stage, { length }]) => [stage, length]));
}

describe('the estimate of a run', function () {
  this.timeout(300_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let empty: string;
  let input: ConfigurationInput;

  before(async () => {
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
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

  it('sends no requests, writes nothing, and is within a factor of two of the requests of the run', async () => {
    const plan = await makeTestPlan(input, join(empty, 'store'));
    // Only checks before the start send something.
    assert(endpoint.requests.every(({ body }) => isCanary(body)));
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
    for (const [stage, requests] of real)
      assertWithinFactorTwo(plannedRequests(plan, stage), requests, stage);
    assertWithinFactorTwo(
      plan.whole.requests,
      [...real.values()].reduce((sum, each) => sum + each, 0),
      'all stages',
    );
  });

  it('counts stages in the store as done if their settings are the same, and reports changed settings', async () => {
    const again = await makeTestPlan(input, cluster.storeRoot);
    assert.deepEqual(
      again.stages.map(({ reused }) => reused),
      again.stages.map(() => 1),
    );
    assert.equal(again.remaining.requests + again.remaining.trainingTokens, 0);
    assert.equal(again.counts?.selected, 20);
    assert.equal(again.earlierRun, 'planned');
    assert(again.whole.seconds !== undefined && again.whole.seconds > 0);

    const longer = await makeTestPlan({ ...input, iterations: 2 }, cluster.storeRoot);
    assert.deepEqual(
      longer.stages.filter(({ reused }) => reused < 1).map(({ iteration }) => iteration),
      [2, 2, 2],
    );

    const redone = await makeTestPlan({ ...input, rerunFrom: '1/judgePairs' }, cluster.storeRoot);
    assert.deepEqual(
      redone.stages.filter(({ reused }) => reused < 1).map(({ stage, iteration }) => [iteration, stage]),
      [
        [1, 'judgePairs'],
        [1, 'fineTune'],
        [1, 'evaluateJudge'],
      ],
    );

    const unknown = await makeTestPlan({ ...input, rerunFrom: '1/judge' }, cluster.storeRoot);
    assert.match(
      unknown.missing.at(-1)?.message ?? '',
      /found "1\/judge"; the stages of this run are 0\/prepare/,
    );

    const changed = { ...input, judging: { ...input.judging, samples: 3 } };
    const { missing } = await makeTestPlan(changed, cluster.storeRoot);
    assert.match(missing.at(-1)?.message ?? '', /made with other inputs: samples was 4, now 3.*"rerunFrom"/);
  });

  it('uses lengths that a probe measures, and computes time from rates of the user', async () => {
    const before = endpoint.requests.length;
    const rates = expandRates({ tokensPerSecond: 1000, stages: {}, trainingTokensPerSecond: 50 });
    const plan = await makeTestPlan(input, join(empty, 'store'), { rates, probeSeconds: 30 });
    assert.equal(plan.probe?.problem, undefined);
    const sent = endpoint.requests.slice(before).filter(({ body }) => !isCanary(body));
    assert.equal(plan.probe?.requests, sent.length);
    // The endpoint reports one token for each answer.
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

  it('waits with a probe of served models until the GPUs of this machine belong to no run, and says so', async () => {
    const gpus = machineGpus(process.env);
    const held = await gpus.acquire({ runName: 'busy', owner: 'busy', purpose: 'trains M_1' });
    const served: ConfigurationInput = { ...input, serving: { kind: 'command', command: ['false'] } };
    const said: string[] = [];
    const interrupt = new AbortController();
    const probe = (signal: AbortSignal) =>
      makeTestPlan(served, join(empty, 'store'), {
        ...{ probeSeconds: 30, signal },
        say: (line) => said.push(line),
      });
    const interrupted = assert.rejects(probe(interrupt.signal), /interrupted/);
    while (said.length === 0) await sleep(20);
    assert.match(said.join(), /^It waits for the GPUs of this machine: run busy trains M_1\. [^,]*$/);
    interrupt.abort(new Error('interrupted'));
    await interrupted;
    await held.release();
    const plan = await probe(new AbortController().signal);
    assert.match(said[1] ?? '', /^starting a server for embedded\/model/);
    assert.match(plan.probe?.problem ?? '', /false/);
    assert.equal(await gpus.usedByOthers('busy'), undefined);
  });

  it('has no time without a rate, and says how to get one; has a cost if prices are set', async () => {
    const prices = { tokens: { seed: { prompt: 2, completion: 6 } } };
    const plan = await makeTestPlan({ ...input, prices }, join(empty, 'store'));
    assert.equal(plan.whole.seconds, undefined);
    assert(plan.notes.some((note) => /No time for.*--rates FILE.*--probe/.test(note)));
    const [categorizing] = plan.stages;
    const { promptTokens = 0, completionTokens = 0, usd } = categorizing?.whole ?? {};
    assert(Math.abs((usd ?? 0) - (2 * promptTokens + 6 * completionTokens) / 1e6) < 1e-3);
  });

  it('counts the other stages if files are missing, and names the files', async () => {
    const [benchmark] = input.evaluation.benchmarks;
    const without: ConfigurationInput = {
      ...input,
      instructions: { pool: ['nowhere/*.parquet'] },
      evaluation: { benchmarks: [{ ...benchmark, name: 'gone', path: 'nowhere.jsonl' } as never] },
    };
    const plan = await makeTestPlan(without, join(empty, 'store'));
    const paths = plan.missing.map(({ path }) => path);
    assert.deepEqual(paths.sort(), ['evaluation.benchmarks.0.path', 'instructions.pool.0', 'python']);
    assert.deepEqual(plan.stages, []);
    assert(plan.memory.length === 1 && plan.uncounted.length === 2);
    // The same if the run is in the store already.
    assert.deepEqual((await makeTestPlan(without, cluster.storeRoot)).missing, plan.missing);

    const assumptions = Object.fromEntries([parseAssumption('instructions=1000')]);
    const assumed = await makeTestPlan(without, join(empty, 'store'), { assumptions });
    assert.equal(assumed.counts?.selected, 1000);
    assert.deepEqual(
      assumed.stages.map(({ stage }) => stage),
      ['generatePairs', 'judgePairs', 'fineTune'],
    );
  });

  it('says which endpoint does not answer, and by which rule tokens are counted', async () => {
    const down = {
      kind: 'endpoint',
      baseUrl: 'http://127.0.0.1:9/v1',
      servedModelName: 'x-{iteration}',
    } as const;
    const pool = join(empty, 'pool.jsonl');
    await writeFile(pool, '{"instruction":"Count to ten."}\n');
    const plan = await makeTestPlan(
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
