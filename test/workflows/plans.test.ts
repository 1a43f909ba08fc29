import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, type ConfigurationInput } from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type ChatBody,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { assertWithinFactorTwo, makeTestPlan, plannedRequests } from '../support/test-plan.ts';
import { oneStep, plannedJudging, scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

/** Requests for plans that are answered before the others are held. */
const ANSWERED = 6;
const PAIRS = 20;
const PLANS = 3;

const asksForPlan = ({ messages }: ChatBody) =>
  messages.some(({ content }) => content.includes('Plan how to judge'));
const executes = ({ messages }: ChatBody) =>
  messages.some(({ content }) => content.includes('Follow this plan: word '));

describe('a run whose judgments follow plans', function () {
  this.timeout(600_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let gate: Promise<void> | undefined;
  const answered: RecordedRequest[] = [];

  before(async () => {
    endpoint = await startScriptedEndpoint({
      script(request) {
        const answer = scriptedAnswers(request);
        const plans = answered.filter(({ body }) => asksForPlan(body)).length;
        if (answer.kind === 'answer' && asksForPlan(request.body) && plans >= ANSWERED && gate !== undefined)
          return { ...answer, heldUntil: gate };
        answered.push(request);
        return answer;
      },
    });
    cluster = await startCluster();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  const input = (): ConfigurationInput =>
    tinyConfiguration('planned', endpoint.baseUrl, {
      iterations: 3,
      instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: PAIRS, shardSize: 10 },
      pairs: { calls: 'two', parts: 2 },
      judging: { ...plannedJudging, plan: { ...plannedJudging.plan, samples: PLANS } },
      filtering: { minExamples: 1 },
      fineTuning: {
        rounds: [
          { method: 'sft', hyperparameters: oneStep },
          { method: 'dpo', judgments: 'reuse', hyperparameters: oneStep },
          { method: 'dpo', hyperparameters: oneStep },
        ],
        threads: 1,
      },
    });

  /** The plans of the first iteration that are on disk, in finished shards or not. */
  function storedPlans(): number {
    const files = globSync(
      ['segment-*', '*.jsonl'].map((name) => `planned/iteration-1/plans/**/${name}`),
      {
        cwd: cluster.storeRoot,
      },
    );
    const ids = files.flatMap((file) => {
      try {
        return readFileSync(join(cluster.storeRoot, file), 'utf8').match(/"id":"[^"]+"/g) ?? [];
      } catch {
        // The journal of a shard is deleted when the shard is finished.
        return [];
      }
    });
    return new Set(ids).size;
  }

  it('asks for no plan twice though its worker is killed while it plans, and reuses the judgments of a round', async () => {
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const worker = cluster.startWorker();
    const plan = await makeTestPlan(input(), cluster.storeRoot);
    const run = await startRun(cluster.client, input());
    const plansAsked = () => endpoint.requests.filter(({ body }) => asksForPlan(body)).length;
    while (plansAsked() <= ANSWERED) await sleep(20);
    while (storedPlans() < ANSWERED * PLANS) await sleep(20);
    await worker.kill();
    gate = undefined;
    open();
    cluster.startWorker();
    const { iterations } = await run.result();

    const asked = answered
      .filter(({ body }) => asksForPlan(body))
      .map(({ body }) => JSON.stringify([body.model, body.messages, body.seed, body.n]));
    assert.equal(asked.length - new Set(asked).size, 0);

    const counts = iterations.map((each) => each.counts);
    const [, first, second, third] = counts;
    for (const judged of [first, third]) {
      const { plans = 0 } = judged?.['planJudgments'] ?? {};
      assert(plans > 0 && plans % PLANS === 0, JSON.stringify(judged));
      assert.equal(judged?.['judgePairs']?.['judgments'], plans * 2 * 2);
    }
    assert.equal(
      (first?.['planJudgments']?.['plans'] ?? 0) + (third?.['planJudgments']?.['plans'] ?? 0),
      PLANS * PAIRS,
    );
    assert.equal(second?.['planJudgments'], undefined);
    assert.equal(second?.['judgePairs'], undefined);
    assert.equal(second?.['filterJudgments']?.['examples'], first?.['filterJudgments']?.['examples']);

    const models = answered.filter(({ body }) => executes(body)).map(({ body }) => body.model);
    assert.deepEqual([...new Set(models)], ['judge-0', 'judge-2']);

    const judging = (stage: string) => plan.stages.filter((each) => each.stage === stage);
    assert.deepEqual(
      judging('planJudgments').map(({ iteration }) => iteration),
      [1, 3],
    );
    const ofRun = answered.filter(({ body }) => !isCanary(body));
    const plans = ofRun.filter(({ body }) => asksForPlan(body)).length;
    assertWithinFactorTwo(plannedRequests(plan, 'planJudgments'), plans, 'plans');
    const executions = ofRun.filter(({ body }) => isJudgeRequest(body) && executes(body)).length;
    assertWithinFactorTwo(plannedRequests(plan, 'judgePairs'), executions, 'judgments');
    const again = await makeTestPlan(input(), cluster.storeRoot);
    for (const stage of ['planJudgments', 'judgePairs', 'fineTune'])
      assert(
        again.stages.filter((each) => each.stage === stage).every(({ reused }) => reused === 1),
        stage,
      );

    const report = await readFile(join(cluster.storeRoot, 'planned/report.html'), 'utf8');
    // An assertion that shows the page would be very long.
    assert(/<th[^>]*>Plans<\/th>/.test(report));
    assert(/M₂\s+is trained on the judgments of iteration 1/.test(report));
  });
});
