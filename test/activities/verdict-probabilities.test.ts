import assert from 'node:assert/strict';
import { calibrateJudge } from '../../src/activities/calibrate-judge.ts';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { evaluateBenchmark } from '../../src/activities/evaluate-benchmark.ts';
import { prepareBenchmark } from '../../src/activities/prepare-benchmark.ts';
import { scoreBenchmark } from '../../src/activities/score-benchmark.ts';
import { fixture } from '../benchmarks/fixture.ts';
import { letterLogprobs } from '../support/sample-judge.ts';
import type { Script } from '../support/scripted-endpoint.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { EvaluationJudgment } from '../../src/runs/records.ts';

const judge = { user: '{instruction} (A) {responseA} (B) {responseB}' };

/** Always names A, with a probability of 0.8. */
const alwaysA: Script = () => ({
  kind: 'answer',
  texts: ['[[A]]'],
  logprobs: [letterLogprobs('A', 0.8)],
});

describe('the probabilities of verdicts on a benchmark', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(purpose: 'validation' | 'test', probabilities?: boolean) {
    const testRun = await startTestRun(
      {
        evaluation: {
          benchmarks: [
            {
              ...{ name: 'own', format: 'pairs', path: fixture('pairs.jsonl'), purpose },
              ...(probabilities === undefined ? {} : { probabilities }),
            },
          ],
        },
        inference: { concurrentRequestsPerShard: 1 },
      },
      { evaluation: { own: { pairwise: judge } } },
    );
    runs.push(testRun);
    const { deps, run, model } = testRun;
    const { artifact: pairs } = await asActivity(() => prepareBenchmark(deps, { run, benchmark: 'own' }));
    const at = { run, iteration: 0, benchmark: 'own' };
    return {
      ...testRun,
      evaluate: () => asActivity(() => evaluateBenchmark(deps, { ...at, model, input: pairs, shard: 0 })),
      async score() {
        const stage = { ...at, stage: 'evaluateBenchmark', shards: 1 } as const;
        const { artifact: judgments } = await asActivity(() => completeStage(deps, stage));
        const summary = await asActivity(() => scoreBenchmark(deps, { ...at, pairs, judgments }));
        const [calibrated] = await asActivity(() => calibrateJudge(deps, { evaluations: [summary] }));
        return { summary, calibrated, judgments: await testRun.behind<EvaluationJudgment>(judgments) };
      },
    };
  }

  it('are stored with each judgment, and give the figures before and after a temperature', async () => {
    const run = await start('validation', true);
    run.endpoint.script(alwaysA);
    await run.evaluate();
    assert(run.endpoint.requests.every(({ body }) => body.logprobs === true && body.top_logprobs === 5));
    const { summary, calibrated, judgments } = await run.score();
    for (const { probabilities } of judgments) {
      assert.deepEqual([probabilities?.A.toFixed(6), probabilities?.B.toFixed(6)], ['0.800000', '0.200000']);
    }
    const { verdicts, withoutProbability, brierScore, expectedCalibrationError } = summary.calibration ?? {};
    assert.deepEqual([verdicts, withoutProbability], [4, 0]);
    // Half of the verdicts are correct: (0.2^2 + 0.8^2) / 2, and 0.8 - 0.5.
    assert.deepEqual(
      [brierScore?.toFixed(6), expectedCalibrationError?.toFixed(6)],
      ['0.340000', '0.300000'],
    );
    // The best that a temperature can do is to say 50%.
    const after = calibrated?.calibration;
    assert((after?.temperature ?? 0) > 50);
    assert(Math.abs((after?.calibratedBrierScore ?? 0) - 0.25) < 1e-3);
  });

  it('have no temperature if no benchmark validates, and the result says so', async () => {
    const run = await start('test', true);
    run.endpoint.script(alwaysA);
    await run.evaluate();
    const { calibrated } = await run.score();
    assert.match(calibrated?.calibration?.notFitted ?? '', /no benchmark with the purpose validation/);
    assert.equal(calibrated?.calibration?.temperature, undefined);
    assert.equal(calibrated?.calibration?.brierScore?.toFixed(6), '0.340000');
  });

  it('are not asked for unless the configuration does', async () => {
    const run = await start('validation');
    run.endpoint.script(alwaysA);
    await run.evaluate();
    assert(run.endpoint.requests.every(({ body }) => body.logprobs === undefined));
    const { summary, calibrated, judgments } = await run.score();
    assert.deepEqual([summary.calibration, calibrated], [undefined, summary]);
    assert(judgments.every((judgment) => !('probabilities' in judgment)));
  });

  it('end the evaluation if the endpoint gives none, which names the endpoint and the field', async () => {
    const run = await start('validation', true);
    run.endpoint.script(() => ({ kind: 'answer', texts: ['[[A]]'] }));
    await assert.rejects(run.evaluate(), {
      name: 'EndpointUnsuitable',
      message: /^http.* gives no log-probabilities .* Leave `probabilities` out of the benchmark, or serve/,
    });
  });
});
