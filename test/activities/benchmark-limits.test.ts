import assert from 'node:assert/strict';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { evaluateBenchmark } from '../../src/activities/evaluate-benchmark.ts';
import { prepareBenchmark } from '../../src/activities/prepare-benchmark.ts';
import { scoreBenchmark } from '../../src/activities/score-benchmark.ts';
import type { BenchmarkFormat } from '../../src/benchmarks/registry.ts';
import type { SamplingParameters } from '../../src/method/sampling-parameters.ts';
import type { PublishedScores } from '../../src/runs/benchmark-scores.ts';
import type { BenchmarkPromptTemplate } from '../../src/runs/read-benchmark-prompt.ts';
import { fixture } from '../benchmarks/fixture.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const NAME = 'held-out';
const pair = { user: '{instruction} (A) {responseA} (B) {responseB}' };

describe('the requests of a benchmark', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function evaluate(
    format: BenchmarkFormat,
    path: string,
    prompts: Readonly<Record<string, BenchmarkPromptTemplate>>,
    sampling?: SamplingParameters,
  ) {
    const benchmarks = [{ name: NAME, format, path, purpose: 'test' as const }];
    const testRun = await startTestRun(
      { evaluation: { benchmarks, ...(sampling === undefined ? {} : { sampling }) } },
      { evaluation: { [NAME]: prompts } },
    );
    runs.push(testRun);
    const { deps, run, model, endpoint } = testRun;
    endpoint.script(() => ({ kind: 'answer', texts: ['no verdict'] }));
    const { artifact: pairs } = await asActivity(() => prepareBenchmark(deps, { run, benchmark: NAME }));
    const at = { run, iteration: 0, benchmark: NAME };
    await asActivity(() => evaluateBenchmark(deps, { ...at, model, input: pairs, shard: 0 }));
    const stage = { ...at, stage: 'evaluateBenchmark', shards: 1 } as const;
    const { artifact: judgments } = await asActivity(() => completeStage(deps, stage));
    const summary = await asActivity(() => scoreBenchmark(deps, { ...at, pairs, judgments }));
    const [scores] = await deps.store.readRecords<PublishedScores>(summary.scores);
    const requests = endpoint.requests.map(({ body }) => body);
    return { scores, summary, requests };
  }

  it('have the limit of the official script, by prompt, at temperature 0', async () => {
    const { requests, scores } = await evaluate('reward-bench-2', fixture('reward-bench-2.parquet'), {
      ranking: { user: 'ranking {instruction} {responseA} {responseB} {responseC} {responseD}' },
      'ties-rating': { user: 'ties {instruction} {response}' },
    });
    const limits = requests.map(({ messages, max_tokens }) => {
      const kind = String(messages[0]?.content).split(' ')[0];
      return `${kind} ${max_tokens}`;
    });
    assert.deepEqual([...new Set(limits)].sort(), ['ranking 2048', 'ties 1024']);
    assert.match(
      scores?.sampling ?? '',
      /at most 2048 tokens \(ranking\); .*at most 1024 tokens \(ties-rating\)/,
    );
  });

  it('have the configured limit instead', async () => {
    const sampling = { temperature: 0, topP: 1, maxTokens: 64 };
    const judged = await evaluate('eval-bias-bench', fixture('biasbench.json'), { pairwise: pair }, sampling);
    assert(judged.requests.every(({ max_tokens }) => max_tokens === 64));
    const official = await evaluate('eval-bias-bench', fixture('biasbench.json'), { pairwise: pair });
    assert(official.requests.every(({ max_tokens }) => max_tokens === 20));
  });

  it('ask once more with the message of the prompt folder, if it has one', async () => {
    const pairwise: BenchmarkPromptTemplate = {
      ...pair,
      followUp: 'now end with a label',
      source: { kind: 'own' },
    };
    const { requests, scores, summary } = await evaluate('judge-bench', fixture('judge-bench/gpt.jsonl'), {
      pairwise,
    });
    const last = requests.map(({ messages }) => messages.at(-1)?.content);
    assert.equal(last.filter((content) => content === 'now end with a label').length, requests.length / 2);
    // The scores say where the prompt comes from; the figures are published with two decimals.
    assert.match(scores?.prompts?.['pairwise'] ?? '', /^a prompt of your own \(text [\da-f]{8}\)$/);
    assert.equal(summary.official?.decimals, 2);
  });
});
