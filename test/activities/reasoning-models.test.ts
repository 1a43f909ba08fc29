import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { categorizeInstructions } from '../../src/activities/categorize-instructions.ts';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { evaluateBenchmark } from '../../src/activities/evaluate-benchmark.ts';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { generatePairs } from '../../src/activities/generate-pairs.ts';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import { prepareBenchmark } from '../../src/activities/prepare-benchmark.ts';
import { scoreBenchmark } from '../../src/activities/score-benchmark.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { SftRecord } from '../../src/models/training/recipes/sft.ts';
import type { PublishedScores } from '../../src/runs/benchmark-scores.ts';
import type { CategorizedInstruction, GeneratedPair, Judgment } from '../../src/runs/records.ts';
import { fixture } from '../benchmarks/fixture.ts';
import type { Behaviour, ChatBody } from '../support/scripted-endpoint.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const BENCHMARK = 'held-out';
const pairs = Array.from({ length: 4 }, (_, index) => ({
  id: `pair-${index}`,
  instruction: `Question ${index}?`,
  better: 'the good one',
  worse: 'the bad one',
}));
const inDoubt = '<think>\nIs it [[A]] or [[B]]?\n</think>\n\n';
const rightSide = ({ messages }: ChatBody) =>
  messages.at(-1)?.content.includes('(A) the good one') === true ? 'A' : 'B';

/** An answer whose reasoning the server returns apart, in the field of the given name. */
function apart(field: string, content: string | null, finishReason = 'stop'): Behaviour {
  const message = { role: 'assistant', content, [field]: 'Is it [[A]] or [[B]]?' };
  const usage = { prompt_tokens: 9, completion_tokens: 9 };
  const choices = [{ index: 0, message, finish_reason: finishReason }];
  return { kind: 'raw', body: JSON.stringify({ choices, usage }), contentType: 'application/json' };
}
const answer = (text: string, finishReason = 'stop'): Behaviour => ({
  kind: 'answer',
  texts: [text],
  finishReason,
});

describe('models that think before they answer', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(
    answers: (body: ChatBody) => Behaviour,
    changes: Partial<ConfigurationInput> = {},
    prompts: Parameters<typeof startTestRun>[1] = {},
  ) {
    const testRun = await startTestRun(
      { judging: { samples: 1 }, filtering: { minExamples: 1, balance: false }, ...changes },
      prompts,
    );
    runs.push(testRun);
    testRun.endpoint.script(({ body }) => answers(body));
    const { run, model } = testRun;
    const shardOf = async (records: readonly object[]) => ({
      run,
      model,
      shard: 0,
      input: await testRun.publish('test/input', records, 10),
    });
    return { ...testRun, shardOf };
  }

  async function judge(answers: (body: ChatBody) => Behaviour, changes: Partial<ConfigurationInput> = {}) {
    const testRun = await start(answers, changes);
    const { deps, run } = testRun;
    const shard = { ...(await testRun.shardOf(pairs)), iteration: 1 };
    const { counts } = await asActivity(() => judgePairs(deps, shard));
    const stage = { run, stage: 'judgePairs', iteration: 1, shards: 1 } as const;
    const { artifact } = await asActivity(() => completeStage(deps, stage));
    const judgments = await testRun.behind<Judgment>(artifact);
    const learned = async () => {
      const input = { run, iteration: 1, pairs: shard.input, judgments: artifact };
      const filtered = await asActivity(() => filterJudgments(deps, input));
      const examples = await deps.store.readRecords<SftRecord>(filtered.artifact);
      return examples.map(({ completion }) => completion[0]?.content);
    };
    return { counts, judgments, learned };
  }

  it('are judged by the verdict behind their reasoning, and learn the whole text', async () => {
    const { counts, judgments, learned } = await judge((body) => answer(`${inDoubt}[[${rightSide(body)}]]`));
    assert.deepEqual([counts['judgments'], counts['correctJudgments']], [8, 8]);
    assert(judgments.every(({ text }) => text.startsWith(inDoubt)));
    assert.deepEqual(new Set(await learned()), new Set([`${inDoubt}[[A]]`, `${inDoubt}[[B]]`]));
  });

  it('learn only the answer if the configuration says so', async () => {
    const { learned } = await judge((body) => answer(`${inDoubt}[[${rightSide(body)}]]`), {
      filtering: { minExamples: 1, balance: false, reasoning: 'drop' },
    });
    assert.deepEqual(new Set(await learned()), new Set(['[[A]]', '[[B]]']));
  });

  it('are read with the marks of the configuration', async () => {
    const { counts } = await judge((body) => answer(`[[A]] [[B]] So: [[${rightSide(body)}]]`), {
      reasoning: { marks: [{ end: 'So:' }] },
    });
    assert.equal(counts['correctJudgments'], 8);
  });

  it('keep the reasoning that a server returns apart, and learn it before the answer', async () => {
    for (const field of ['reasoning_content', 'reasoning']) {
      const { counts, judgments, learned } = await judge((body) => apart(field, `[[${rightSide(body)}]]`));
      assert.equal(counts['correctJudgments'], 8);
      assert(judgments.every(({ reasoning }) => reasoning === 'Is it [[A]] or [[B]]?'));
      assert.deepEqual(new Set(await learned()), new Set([`${inDoubt}[[A]]`, `${inDoubt}[[B]]`]));
    }
  });

  it('are counted by why they give no verdict', async () => {
    const answers = [
      apart('reasoning', null, 'length'),
      answer('<think>\nSo [[A]]', 'length'),
      apart('reasoning_content', ''),
      answer(''),
      answer(`${inDoubt}[[a]]`),
      answer('Final verdict: A'),
      answer('[[A]] or [[B]]'),
      answer('[[C]]'),
    ];
    let asked = 0;
    const { counts } = await judge(() => answers[asked++] ?? answer(''));
    const expected = {
      ...{ judgments: 8, correctJudgments: 0, ties: 1, unparsableJudgments: 7 },
      'without a verdict: all tokens spent on reasoning': 2,
      'without a verdict: empty after the reasoning': 1,
      'without a verdict: empty': 1,
      'without a verdict: almost: [[a]]': 1,
      'without a verdict: almost: Final verdict: A': 1,
      'without a verdict: several verdicts': 1,
    };
    for (const [name, count] of Object.entries(expected)) assert.equal(counts[name], count, name);
  });

  it('write responses and similar instructions without their reasoning', async () => {
    const thought = '<think>\nI can not do that? I can.\n</think>\n\n';
    for (const calls of ['one', 'two'] as const) {
      const similar = (text: string) =>
        calls === 'two'
          ? text
          : `[The Start of the Modified Instruction]\n${text}\n[The End of the Modified Instruction]\n` +
            '[The Start of the Answer to the Modified Instruction]\nAnother answer.';
      const asked: string[] = [];
      const testRun = await start(
        ({ messages }) => {
          const content = messages.at(-1)?.content ?? '';
          asked.push(content);
          if (content.includes('Question 3')) return answer('<think>\nhm', 'length');
          if (content.includes('Question 2')) return apart('reasoning', null);
          return answer(
            thought + (content.startsWith('Similar') ? similar('Other question?') : `Answer to ${content}`),
          );
        },
        { pairs: { calls } },
        calls === 'one' ? { similar: { user: 'Similar: {instruction} | {response}' } } : {},
      );
      const instructions = pairs.map(({ id, instruction }) => ({ id, instruction }));
      const shard = { ...(await testRun.shardOf(instructions)), iteration: 0 };
      await asActivity(() => generatePairs(testRun.deps, shard));
      const folder = testRun.deps.store.locate('test/pairs/shard-00000');
      const read = async <T>(file: string) =>
        (await readFile(join(folder, file), 'utf8'))
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as T);
      for (const pair of await read<GeneratedPair>('records.jsonl')) {
        assert.equal(pair.better, `Answer to ${pair.instruction}`);
        assert.equal(pair.worse, calls === 'one' ? 'Another answer.' : 'Answer to Other question?');
        assert.equal(pair.similarInstruction, 'Other question?');
      }
      assert(asked.every((content) => !content.includes('think')));
      assert.deepEqual(
        (await read<{ reason: string }>('skipped.jsonl')).map(({ reason }) => reason),
        ['reasoning without an answer', 'all tokens spent on reasoning'],
      );
    }
  });

  it('name the category of an instruction behind their reasoning', async () => {
    const testRun = await start(
      () => answer('<think>Is it math or coding?</think>\nmath'),
      { instructions: { pool: ['pool.jsonl'], categories: { names: ['math', 'coding'], keep: ['math'] } } },
      { category: { user: '{instruction} {categories}' } },
    );
    const { deps, run } = testRun;
    const shard = { ...(await testRun.shardOf([{ id: '1', instruction: 'Why?' }])), iteration: 0 };
    await asActivity(() => categorizeInstructions(deps, shard));
    const stage = { run, stage: 'categorizeInstructions', iteration: 0, shards: 1 } as const;
    const { artifact } = await asActivity(() => completeStage(deps, stage));
    const [categorized] = await testRun.behind<CategorizedInstruction>(artifact);
    assert.equal(categorized?.category, 'math');
  });

  it('have our figures behind the reasoning, and the official ones as the published script reads them', async () => {
    const benchmarks = [
      {
        name: BENCHMARK,
        format: 'reward-bench',
        path: fixture('reward-bench.parquet'),
        purpose: 'test',
      } as const,
    ];
    let asked = 0;
    const testRun = await start(
      // The official script takes the first letter anywhere: A, of which one order is right.
      () => (asked++ === 0 ? answer('<think>[[A]]', 'length') : answer(`${inDoubt}[[B]]`)),
      { evaluation: { benchmarks }, inference: { concurrentRequestsPerShard: 1 } },
    );
    const { deps, run, model } = testRun;
    const { artifact: items } = await asActivity(() => prepareBenchmark(deps, { run, benchmark: BENCHMARK }));
    const shard = { run, iteration: 0, model, input: items, shard: 0, benchmark: BENCHMARK };
    await asActivity(() => evaluateBenchmark(deps, shard));
    const stage = { run, stage: 'evaluateBenchmark', iteration: 0, shards: 1, benchmark: BENCHMARK } as const;
    const { artifact: judgments } = await asActivity(() => completeStage(deps, stage));
    const input = { run, iteration: 0, benchmark: BENCHMARK, pairs: items, judgments };
    const summary = await asActivity(() => scoreBenchmark(deps, input));
    const [scores] = await deps.store.readRecords<PublishedScores>(summary.scores);
    assert(scores);
    assert.deepEqual(scores.withoutVerdict, { 'all tokens spent on reasoning': 1 });
    assert.deepEqual(summary.withoutVerdict, scores.withoutVerdict);
    assert.equal(scores.shareOfA, 0);
    assert.equal(scores.betterFirstAccuracy, 0);
    assert.equal(scores.worseFirstAccuracy, 1);
    assert.equal(scores.parserDisagreement, 1);
    // Every official verdict is A: right in the first order of each pair.
    const official = scores.official.figures.find(({ name }) => /both orders/.test(name))?.value;
    assert.equal(official, 0.5);
  });
});
