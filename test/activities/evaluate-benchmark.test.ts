import assert from 'node:assert/strict';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { evaluateBenchmark } from '../../src/activities/evaluate-benchmark.ts';
import { prepareBenchmark } from '../../src/activities/prepare-benchmark.ts';
import { scoreBenchmark } from '../../src/activities/score-benchmark.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { BenchmarkFormat } from '../../src/benchmarks/registry.ts';
import { fixture } from '../benchmarks/fixture.ts';
import type { RecordedRequest, Behaviour } from '../support/scripted-endpoint.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { EvaluationJudgment } from '../../src/runs/records.ts';
import type { PublishedScores } from '../../src/runs/benchmark-scores.ts';

const BENCHMARK = 'held-out';
const judge = { user: '{instruction} (A) {responseA} (B) {responseB}' };
const sampling = { temperature: 0.7, topP: 0.9, maxTokens: 64 };
const answering =
  (textOf: (request: RecordedRequest, sample: number) => string) =>
  (request: RecordedRequest): Behaviour => ({
    kind: 'answer',
    texts: Array.from({ length: request.body.n ?? 1 }, (_, sample) => textOf(request, sample)),
  });

describe('evaluating a benchmark', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(format: BenchmarkFormat, path: string, votes = 1) {
    const benchmarks: ConfigurationInput['evaluation']['benchmarks'] = [
      { name: BENCHMARK, format, path, purpose: 'test', ...(votes > 1 ? { sampling } : {}) },
    ];
    const testRun = await startTestRun(
      {
        evaluation: { benchmarks, votes },
        inference: { concurrentRequestsPerShard: 1, maxSkippedShare: 0.3 },
      },
      { evaluation: { [BENCHMARK]: { pairwise: judge } } },
    );
    runs.push(testRun);
    const { deps, run, model } = testRun;
    const prepared = await asActivity(() => prepareBenchmark(deps, { run, benchmark: BENCHMARK }));
    const shard = { run, iteration: 0, model, input: prepared.artifact, shard: 0, benchmark: BENCHMARK };
    return {
      ...testRun,
      prepared,
      evaluate: () => asActivity(() => evaluateBenchmark(deps, shard)),
      async score() {
        const stage = {
          run,
          stage: 'evaluateBenchmark',
          iteration: 0,
          shards: 1,
          benchmark: BENCHMARK,
        } as const;
        const { artifact: judgments } = await asActivity(() => completeStage(deps, stage));
        const input = { run, iteration: 0, benchmark: BENCHMARK, pairs: prepared.artifact, judgments };
        const summary = await asActivity(() => scoreBenchmark(deps, input));
        const [scores] = await deps.store.readRecords<PublishedScores>(summary.scores);
        assert(scores);
        const verdicts = await testRun.behind<EvaluationJudgment>(judgments);
        return { summary, scores, verdicts, folder: deps.store.locate(summary.scores.uri) };
      },
    };
  }

  it('samples as many judgments of each question as there are votes, each with an own seed, and counts the majority', async () => {
    const run = await start('pairs', fixture('pairs.jsonl'), 3);
    run.endpoint.script(answering((_, sample) => ['[[A]]', '[[B]]', '[[B]]'][sample] ?? ''));
    const { counts } = await run.evaluate();
    assert.deepEqual([counts['judgments'], counts['unparsableJudgments']], [12, 0]);
    const seeds = run.endpoint.requests.flatMap(({ body }) =>
      [0, 1, 2].map((vote) => (body.seed ?? 0) + vote),
    );
    assert.equal(new Set(seeds).size, 12);
    const { scores, summary, verdicts } = await run.score();
    // B is correct in one of the two orders.
    assert.deepEqual([scores.accuracy, scores.positionConsistentAccuracy], [0.5, 0]);
    assert.deepEqual([scores.betterFirstAccuracy, scores.worseFirstAccuracy], [0, 1]);
    assert.equal(scores.shareOfA, 1 / 3);
    assert.deepEqual(
      verdicts.slice(0, 3).map(({ id, vote, verdict }) => [id, vote, verdict]),
      [
        ['0/better-first/0000', 0, 'A'],
        ['0/better-first/0001', 1, 'B'],
        ['0/better-first/0002', 2, 'B'],
      ],
    );
    assert.equal(summary.tokens?.completion, 12);
    assert.deepEqual([summary.official?.name, summary.official?.value], ['accuracy, both orders', 0.5]);
  });

  it('continues after a crash with the missing vote', async () => {
    const run = await start('pairs', fixture('pairs.jsonl'), 3);
    const seeded = answering(({ body }, sample) =>
      ((body.seed ?? 0) + sample) % 2 === 0 ? '[[A]]' : '[[B]]',
    );
    run.endpoint.script((request) => (request.index < 3 ? seeded(request) : { kind: 'status', status: 401 }));
    await assert.rejects(run.evaluate(), { name: 'AuthenticationFailed' });
    const work = `${run.deps.store.locate(`test/iteration-0/evaluation/${BENCHMARK}/shard-00000`)}.journal`;
    const [segment = ''] = (await readdir(work)).filter((name) => name.startsWith('segment-'));
    // Of nine votes on disk the crash leaves seven and a torn one.
    const lines = (await readFile(join(work, segment), 'utf8')).split('\n');
    assert.equal(lines.length, 9 + 1);
    await truncate(join(work, segment), Buffer.byteLength(lines.slice(0, 7).join('\n')) + 20);

    run.endpoint.script(seeded);
    const before = run.endpoint.requests.length;
    await run.evaluate();
    const asked = run.endpoint.requests.slice(before).map(({ body }) => body.n ?? 1);
    assert.deepEqual(asked, [2, 3]);
    const interrupted = (await run.score()).verdicts;

    const undisturbed = await start('pairs', fixture('pairs.jsonl'), 3);
    undisturbed.endpoint.script(seeded);
    await undisturbed.evaluate();
    assert.deepEqual((await undisturbed.score()).verdicts, interrupted);
  });

  it('sends a second request if the official script does, and keeps both texts', async () => {
    const run = await start('judge-bench', fixture('judge-bench/gpt.jsonl'));
    run.endpoint.script(
      answering(({ body }) => (body.messages.length === 1 ? 'I am torn.' : 'My final verdict: [[A>>B]]')),
    );
    await run.evaluate();
    const followUps = run.endpoint.requests.filter(({ body }) => body.messages.length === 3);
    assert.equal(followUps.length, 6);
    assert.equal(run.endpoint.requests.length, 12);
    assert.deepEqual(
      followUps[0]?.body.messages.map(({ role }) => role),
      ['user', 'assistant', 'user'],
    );
    const { verdicts, scores } = await run.score();
    assert.equal(verdicts.length, 6);
    for (const { text, verdict } of verdicts) {
      assert.equal(text, 'I am torn.\nMy final verdict: [[A>>B]]');
      assert.equal(verdict, 'A');
    }
    assert.equal(scores.accuracy, 0.5);
  });

  it('does not repeat the second request after a crash, but only sends the missing ones', async () => {
    const run = await start('judge-bench', fixture('judge-bench/gpt.jsonl'));
    const script = answering(({ body }) => (body.messages.length === 1 ? 'Torn.' : '[[B>A]]'));
    run.endpoint.script((request) => (request.index < 6 ? script(request) : { kind: 'status', status: 401 }));
    await assert.rejects(run.evaluate(), { name: 'AuthenticationFailed' });
    run.endpoint.script(script);
    const before = run.endpoint.requests.length;
    await run.evaluate();
    const asked = run.endpoint.requests.length - before;
    assert.equal(asked, 6);
    assert((await run.score()).verdicts.every(({ verdict }) => verdict === 'B'));
  });

  it('counts rejected items as missing and incorrect, and writes the outcome of every item', async () => {
    const run = await start('pairs', fixture('pairs.jsonl'));
    const right = answering(({ body }) =>
      body.messages[0]?.content.includes('(A) Apple') === true ||
      body.messages[0]?.content.includes('(A) 7') === true
        ? '[[A]]'
        : '[[B]]',
    );
    run.endpoint.script((request) =>
      request.body.messages[0]?.content.endsWith('(A) 8 (B) 7') === true
        ? { kind: 'status', status: 400, error: { message: 'long', code: 'context_length_exceeded' } }
        : right(request),
    );
    const { counts } = await run.evaluate();
    assert.equal(counts['failed: context-length'], 1);
    const { scores, folder } = await run.score();
    assert.deepEqual(
      [scores.missingJudgments, scores.accuracy, scores.positionConsistentAccuracy],
      [1, 0.75, 0.5],
    );
    const outcomes = (await readFile(join(folder, 'outcomes.jsonl'), 'utf8')).trim().split('\n');
    assert.deepEqual(
      outcomes.map((line) => JSON.parse(line) as unknown),
      [
        { id: '0', accuracy: 1, consistent: 1 },
        { id: '1', accuracy: 0.5, consistent: 0 },
      ],
    );
  });

  it('prepares a benchmark of several files, and counts the rows that its own rule excludes', async () => {
    const folder = await start('llmbar-pairwise', fixture('llmbar'));
    assert.equal(folder.prepared.counts['items'], 3);
    assert.match(folder.prepared.warnings.join('\n'), /these sets are missing: Neighbor/);
    const steer = await start('helpsteer2', fixture('helpsteer2/validation.jsonl.gz'));
    steer.endpoint.script(answering(() => '[[A]]'));
    await steer.evaluate();
    assert.deepEqual((await steer.score()).scores.excluded, { 'equally helpful pairs': 1 });
  });
});
