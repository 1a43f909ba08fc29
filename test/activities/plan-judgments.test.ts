import assert from 'node:assert/strict';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import { planJudgments } from '../../src/activities/plan-judgments.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { DpoRecord } from '../../src/models/training/recipes/dpo.ts';
import type { SftRecord } from '../../src/models/training/recipes/sft.ts';
import type { Judgment, Plan } from '../../src/runs/records.ts';
import { scriptedText, type Behaviour, type ChatBody } from '../support/scripted-endpoint.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const PLANS = 3;
const SAMPLES = 4;
/** The last two have the same instruction. */
const pairs = Array.from({ length: 6 }, (_, index) => ({
  id: `pair-${index}`,
  instruction: `Question ${Math.min(index, 4)}?`,
  better: `better ${index}`,
  worse: `worse ${index}`,
}));
const INSTRUCTIONS = 5;
const plan = { samples: PLANS };
const prompts = {
  plan: { user: 'PLAN {instruction}|{responseA}' },
  execution: { user: 'EXECUTE {plan}|{instruction}|{responseA}|{responseB}' },
};
const keyRefused: Behaviour = { kind: 'status', status: 401 };

const promptOf = ({ messages }: ChatBody) => messages.map(({ content }) => content).join();
const asksForPlan = (body: ChatBody) => promptOf(body).startsWith('PLAN ');
/** Texts that depend on prompt and seed; a judgment names A in half of them. */
function answer(body: ChatBody): Behaviour & { kind: 'answer' } {
  const texts = Array.from({ length: body.n ?? 1 }, (_, sample) => {
    const text = scriptedText(body.model, body.messages, (body.seed ?? 0) + sample);
    if (asksForPlan(body)) return ` plan ${text}\n`;
    return `execution ${text} [[${Number.parseInt(text.slice(0, 2), 16) < 128 ? 'A' : 'B'}]]`;
  });
  return { kind: 'answer', texts };
}

describe('judgments that follow plans', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(changes: Partial<ConfigurationInput> = {}) {
    const testRun = await startTestRun(
      {
        judging: { samples: SAMPLES, plan },
        inference: { concurrentRequestsPerShard: 2 },
        filtering: { minExamples: 1, balance: false },
        ...changes,
      },
      prompts,
    );
    runs.push(testRun);
    const { deps, run, model, endpoint } = testRun;
    endpoint.script(({ body }) => answer(body));
    const input = await testRun.publish('test/pairs', pairs, 10);
    const indexOf = async (stage: 'planJudgments' | 'judgePairs', iteration: number) =>
      (await asActivity(() => completeStage(deps, { run, stage, iteration, shards: 1 }))).artifact;
    const shard = (iteration: number) => ({ run, iteration, model, input, shard: 0 });
    return {
      ...testRun,
      plan: (iteration = 1) => asActivity(() => planJudgments(deps, shard(iteration))),
      plans: async (iteration = 1) => testRun.behind<Plan>(await indexOf('planJudgments', iteration)),
      async judge(iteration = 1) {
        const plans = await indexOf('planJudgments', iteration);
        return asActivity(() => judgePairs(deps, { ...shard(iteration), plans }));
      },
      judgments: async (iteration = 1) => testRun.behind<Judgment>(await indexOf('judgePairs', iteration)),
      async filter<Row>(iteration: number, judgedIn = iteration) {
        const judgments = await indexOf('judgePairs', judgedIn);
        const result = await asActivity(() =>
          filterJudgments(deps, { run, iteration, pairs: input, judgments }),
        );
        return { ...result, rows: await deps.store.readRecords<Row>(result.artifact) };
      },
      journal: (stage: 'plans' | 'judgments') =>
        deps.store.locate(`test/iteration-1/${stage}/shard-00000.journal`),
    };
  }

  it('have plans for each instruction, which are asked for once and see no response', async () => {
    const run = await start();
    const { counts } = await run.plan();
    const asked = run.endpoint.requests.map(({ body }) => promptOf(body));
    assert.deepEqual(
      asked.toSorted(),
      Array.from({ length: INSTRUCTIONS }, (_, index) => `PLAN Question ${index}?|{responseA}`),
    );
    const plans = await run.plans();
    assert.equal(counts['plans'], INSTRUCTIONS * PLANS);
    assert.equal(plans.length, INSTRUCTIONS * PLANS);
    assert.equal(new Set(plans.map(({ text }) => text)).size, INSTRUCTIONS * PLANS);
    for (const { text } of plans) assert.match(text, /^plan [0-9a-f]+$/);
  });

  it('follow each plan the same number of times in each order, and say which one', async () => {
    const run = await start();
    await run.plan();
    const before = run.endpoint.requests.length;
    const { counts } = await run.judge();
    assert.equal(run.endpoint.requests.length - before, pairs.length * 2 * PLANS);
    const judgments = await run.judgments();
    assert.equal(counts['judgments'], pairs.length * 2 * PLANS * SAMPLES);
    assert.equal(judgments.length, pairs.length * 2 * PLANS * SAMPLES);
    const plans = Map.groupBy(await run.plans(), ({ unit }) => unit);
    const texts = new Set([...plans.values()].map((all) => all.map(({ text }) => text).join()));
    for (const [, ofPair] of Map.groupBy(judgments, ({ pairId }) => pairId)) {
      const ofPlans = Map.groupBy(ofPair, (judgment) => judgment.plan?.sample);
      assert.deepEqual([...ofPlans.keys()], [0, 1, 2]);
      for (const [number, all] of ofPlans) {
        assert.equal(new Set(all.map((judgment) => judgment.plan?.text)).size, 1);
        for (const order of ['better-first', 'worse-first'])
          assert.deepEqual(
            all.filter((each) => each.order === order).map(({ sample }) => sample),
            Array.from({ length: SAMPLES }, (_, k) => (number ?? 0) * SAMPLES + k),
          );
      }
      const followed = [0, 1, 2].map((number) => ofPlans.get(number)?.[0]?.plan?.text).join();
      assert(texts.has(followed), followed);
    }
    const shown = run.endpoint.requests.slice(before).map(({ body }) => promptOf(body));
    const [first] = judgments.filter(({ pairId }) => pairId === 'pair-2');
    assert(shown.includes(`EXECUTE ${first?.plan?.text}|Question 2?|better 2|worse 2`));
  });

  it('leave out plans that are cut off or empty, and examples whose plans all are', async () => {
    const run = await start();
    run.endpoint.script(({ body }) => {
      if (!asksForPlan(body)) return answer(body);
      if (promptOf(body).includes('Question 1?')) return { ...answer(body), finishReason: 'length' };
      return promptOf(body).includes('Question 2?')
        ? { kind: 'answer', texts: [' ', 'a plan', 'another plan'] }
        : answer(body);
    });
    const { counts } = await run.plan();
    assert.equal(counts['plans cut off or empty'], PLANS + 1);
    const judged = await run.judge();
    assert.equal(judged.counts['dropped: no usable plan'], 2);
    const judgments = await run.judgments();
    assert(judgments.every(({ pairId }) => pairId !== 'pair-1'));
    const followed = judgments.filter(({ pairId }) => pairId === 'pair-2').map((each) => each.plan?.sample);
    assert.deepEqual([...new Set(followed)], [1, 2]);
  });

  for (const stage of ['plans', 'judgments'] as const)
    it(`ask for no ${stage} twice after a crash, and have the same bytes in the end`, async () => {
      const whole = await start();
      await whole.plan();
      await whole.judge();
      const run = await start();
      const work = () => (stage === 'plans' ? run.plan() : run.judge());
      if (stage === 'judgments') await run.plan();
      const before = run.endpoint.requests.length;
      run.endpoint.script(({ body, index }) => (index < before + 3 ? answer(body) : keyRefused));
      await assert.rejects(work(), { name: 'AuthenticationFailed' });
      const [segment = ''] = (await readdir(run.journal(stage))).filter((name) =>
        name.startsWith('segment-'),
      );
      const lines = (await readFile(join(run.journal(stage), segment), 'utf8')).split('\n');
      // The crash leaves all but the last record, of which a part is there.
      const kept = lines.length - 2;
      const end = Buffer.byteLength(lines.slice(0, kept).join('\n')) + 20;
      await truncate(join(run.journal(stage), segment), end);
      run.endpoint.script(({ body }) => answer(body));
      const after = run.endpoint.requests.length;
      await work();
      const asked = run.endpoint.requests.slice(after).map(({ body }) => body.n ?? 1);
      const all = stage === 'plans' ? INSTRUCTIONS * PLANS : pairs.length * 2 * PLANS * SAMPLES;
      assert.equal(
        asked.reduce((sum, count) => sum + count, 0),
        all - kept,
      );
      if (stage === 'plans') await run.judge();
      assert.deepEqual(await run.judgments(), await whole.judgments());
    });

  it('are learned as one text with their plan, under the prompt without a plan', async () => {
    const run = await start();
    await run.plan();
    await run.judge();
    const { rows, counts } = await run.filter<SftRecord>(1);
    const byId = new Map((await run.judgments()).map((judgment) => [judgment.id, judgment]));
    assert.equal(rows.length, counts['kept']);
    assert(rows.length > 6);
    for (const { id, prompt, completion } of rows) {
      const { plan: followed, text, correct } = byId.get(id) ?? assert.fail();
      assert.equal(completion[0]?.content, `${followed?.text}\n\n${text}`);
      assert(correct);
      assert.match(
        prompt[0]?.content ?? '',
        /^Question \d\? \(A\) (better|worse) \d \(B\) (better|worse) \d$/,
      );
    }
  });

  it('are compared by DPO within one plan only', async () => {
    const run = await start({
      fineTuning: { rounds: [{ method: 'dpo', preferencePairsPerExample: 100 }] },
    });
    await run.plan();
    await run.judge();
    const { rows } = await run.filter<DpoRecord>(1);
    const judgments = await run.judgments();
    const byId = new Map(judgments.map((judgment) => [judgment.id, judgment]));
    for (const { chosen, rejected, judgments: of } of rows) {
      const [right, wrong] = [of.kept[0], of.rejected[0]].map((id) => byId.get(id ?? '') ?? assert.fail());
      assert.equal(right?.plan?.text, wrong?.plan?.text);
      assert(right?.correct === true && !wrong?.correct);
      assert.equal(chosen[0]?.content, `${right.plan?.text}\n\n${right.text}`);
      assert.equal(rejected[0]?.content, `${wrong?.plan?.text}\n\n${wrong?.text}`);
    }
    // All of them: for each plan of an example its correct ones times its incorrect ones.
    const groups = Map.groupBy(judgments, (each) => `${each.pairId} ${each.order} ${each.plan?.sample}`);
    const possible = [...groups.values()].map((all) => {
      const right = all.filter(({ correct }) => correct).length;
      return right * (all.length - right);
    });
    assert.equal(
      rows.length,
      possible.reduce((sum, count) => sum + count, 0),
    );
  });

  it('give no preference pair of an example that is right along one plan and wrong along the others', async () => {
    const run = await start({
      filtering: { minExamples: 1, balance: false },
      fineTuning: { rounds: [{ method: 'dpo', preferencePairsPerExample: 100 }] },
    });
    await run.plan();
    const plans = Map.groupBy(await run.plans(), ({ unit }) => unit);
    const right = new Set([...plans.values()].map(([first]) => first?.text));
    run.endpoint.script(({ body }) => {
      const prompt = promptOf(body);
      const isBetterFirst =
        prompt.includes('|better ') && prompt.indexOf('|better ') < prompt.indexOf('|worse ');
      const along = /^EXECUTE ([^|]*)/.exec(prompt)?.[1];
      const [better, worse] = isBetterFirst ? ['[[A]]', '[[B]]'] : ['[[B]]', '[[A]]'];
      // Only for the first question has the first plan both.
      const isMixed = prompt.includes('Question 0?');
      return {
        kind: 'answer',
        texts: Array.from({ length: body.n ?? 1 }, (_, k) =>
          right.has(along) && !(isMixed && k === 0) ? better : worse,
        ),
      };
    });
    await run.judge();
    const { counts } = await run.filter<DpoRecord>(1);
    assert.equal(counts['examples without both in one plan'], 2 * (pairs.length - 1));
    assert.equal(counts['kept'], 2);
    assert.equal(counts['trainingExamples'], 2 * (SAMPLES - 1));
  });

  it('are learned again by a round that reuses them, and the next part of the pairs comes with the next judging', async () => {
    const run = await start({
      iterations: 3,
      pairs: { parts: 2 },
      fineTuning: { rounds: [{ method: 'sft' }, { method: 'dpo', judgments: 'reuse' }, { method: 'dpo' }] },
    });
    const judgedIn = async (iteration: number) => {
      await run.plan(iteration);
      await run.judge(iteration);
      return new Set((await run.judgments(iteration)).map(({ pairId }) => pairId));
    };
    const [first, second] = [await judgedIn(1), await judgedIn(3)];
    assert.deepEqual([...first, ...second].toSorted(), pairs.map(({ id }) => id).toSorted());
    const sft = await run.filter<SftRecord>(1);
    const dpo = await run.filter<DpoRecord>(2, 1);
    assert.equal(sft.counts['examples'], 2 * first.size);
    assert.equal(dpo.counts['examples'], 2 * first.size);
    assert(dpo.rows.every(({ id }) => first.has(id.split('/')[0] ?? '')));
    assert.equal((await run.filter(3)).counts['examples'], 2 * second.size);
  });

  it('are made again with other plans only after the run is told so', async () => {
    const run = await start();
    await run.plan();
    await run.judge();
    const [, ...changed] = await run.plans();
    const plans = await run.publish('test/other-plans', changed, 100);
    const { deps, run: reference, model } = run;
    const input = await run.publish('test/pairs', pairs, 10);
    await assert.rejects(
      asActivity(() => judgePairs(deps, { run: reference, iteration: 1, model, input, shard: 0, plans })),
      { name: 'FingerprintMismatch', fields: ['plans'] },
    );
  });
});
