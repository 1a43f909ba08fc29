import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import { prepareTasks } from '../../src/activities/prepare-tasks.ts';
import { pairsSchema } from '../../src/config/judging.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { markedConversations } from '../../src/runs/marked-conversations.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { FilterStatistics } from '../../src/method/filter-statistics.ts';
import type { TrainedRecord } from '../../src/method/task-examples.ts';
import type { GrpoRecord } from '../../src/models/training/recipes/grpo-tasks.ts';
import type { SftRecord } from '../../src/models/training/recipes/sft.ts';
import type { Judgment, RecordJudgment } from '../../src/runs/records.ts';
import type { ArtifactReference } from '../../src/store/artifact.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const prompts = (name: string, values: string) => ({
  plain: { user: `${name} {instruction} ${values}` },
  reference: { user: `${name} {instruction} ${values} ({reference})` },
});
const tasks = {
  score: prompts('SCORE', '{response} {rubric}'),
  rank: prompts('RANK', '{responses}'),
  verify: prompts('VERIFY', '{response}'),
};
const files = {
  score: [
    { instruction: 'How good?', response: 'seven', score: 7.5 },
    { instruction: 'How bad?', response: 'two', score: 2, rubric: 'short' },
    { instruction: 'How?', response: 'five', score: 9 },
  ],
  rank: [{ instruction: 'Which?', responses: ['one', 'best', 'three'], best: 1, reference: 'best' }],
  verify: [
    ...[1, 2, 3].map((number) => ({ instruction: 'Right?', response: `true ${number}`, correct: true })),
    { instruction: 'Right?', response: 'false', correct: false },
    { instruction: 'Right?', response: 'false', correct: false },
    { instruction: 'Right?', response: 'disputed', correct: false },
    { instruction: 'Right?', response: 'disputed', correct: true },
    { instruction: 'Right?', response: 'without a label' },
    { instruction: 'What is known to be one of two benchmark items?', response: 'true', correct: true },
  ],
};
const pairs = [{ id: 'pair-0', instruction: 'Question?', better: 'better', worse: 'worse' }];

/** Knows all verdicts; the first of three judgments is a guess, the second is wrong. */
function answer(question: string, sample: number): string {
  const reasons = sample === 0 ? '' : 'I look at it with great care: ';
  const isWrong = sample === 1;
  const shown = [...question.matchAll(/Start of Assistant (.)'s Answer\]\n(.*)\n/g)];
  const best = shown.find(([, , text]) => text === 'best')?.[1] ?? '';
  const [task] = question.split(' ');
  if (task === 'SCORE')
    return `${reasons}[[${isWrong ? 1 : question.includes('seven') ? 8 : question.includes('two') ? 2 : 5}]]`;
  if (task === 'RANK') return `${reasons}[[${isWrong ? (best === 'A' ? 'B' : 'A') : best}]]`;
  if (task === 'VERIFY')
    return `${reasons}[[${question.includes('true') === isWrong ? 'incorrect' : 'correct'}]]`;
  return `${reasons}[[${question.includes('(A) better') ? 'A' : 'B'}]]`;
}

describe('records of tasks beyond pairs', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(changes: Partial<ConfigurationInput> = {}) {
    const testRun = await startTestRun(
      {
        pairs: {
          tasks: (['score', 'rank', 'verify'] as const).map((task) => ({ task, files: [`${task}.jsonl`] })),
        },
        judging: { samples: 3 },
        filtering: { minExamples: 1, judgmentsPerExample: 3 },
        inference: { maxSkippedShare: 0.2 },
        ...changes,
      },
      { trainedTasks: tasks },
    );
    runs.push(testRun);
    const { deps, run, model, endpoint, folder } = testRun;
    for (const [task, rows] of Object.entries(files))
      await writeFile(join(folder, `${task}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    endpoint.script(({ body }) => ({
      kind: 'answer',
      texts: Array.from({ length: body.n ?? 1 }, (_, index) =>
        answer(body.messages.at(-1)?.content ?? '', index),
      ),
    }));
    const benchmark = await testRun.publish(
      'test/benchmarks/held-out',
      [{ id: '0', instruction: 'What is known to be one of two benchmark items?' }],
      1,
    );
    const prepared = await asActivity(async () =>
      prepareTasks(deps, {
        run,
        pairs: await testRun.publish('test/pairs', pairs, 8),
        benchmarks: [{ name: 'held-out', pairs: benchmark }],
      }),
    );
    const input = prepared.artifact;
    const judge = async (): Promise<ArtifactReference> => {
      for (let shard = 0; shard < input.records; shard += 1)
        await asActivity(() => judgePairs(deps, { run, iteration: 1, model, input, shard }));
      const stage = { run, stage: 'judgePairs', iteration: 1, shards: input.records } as const;
      return (await asActivity(() => completeStage(deps, stage))).artifact;
    };
    const filter = async <Row = SftRecord>() => {
      const judgments = await judge();
      const result = await asActivity(() =>
        filterJudgments(deps, { run, iteration: 1, pairs: input, judgments }),
      );
      const manifest = await deps.store.readManifest(result.artifact.uri);
      return {
        counts: result.counts,
        statistics: manifest?.summary as FilterStatistics,
        rows: await deps.store.readRecords<Row>(result.artifact),
      };
    };
    const recordsOf = <T>(index: ArtifactReference) => testRun.behind<T>(index);
    return { deps, endpoint, prepared, judge, filter, recordsOf };
  }

  it('are further shards of what is judged: each once, without those that are disputed or in a benchmark', async () => {
    const { prepared, recordsOf, deps } = await start();
    assert.deepEqual(prepared.counts, {
      taskRecords: 8,
      'dropped: duplicate': 1,
      'dropped: contradicted by another row': 2,
      'failed: no usable record': 1,
      'dropped: overlaps with benchmark held-out': 1,
    });
    const [first, ...records] = await recordsOf<TrainedRecord>(prepared.artifact);
    assert.equal(first?.id, 'pair-0');
    assert.deepEqual(
      records.map(({ task, label }) => [task, label]),
      [
        ['score', 7.5],
        ['score', 2],
        ['score', 9],
        ['rank', 1],
        ...[1, 2, 3].map(() => ['verify', 'correct']),
        ['verify', 'incorrect'],
      ],
    );
    const skipped = await deps.store.readLines<{ id: string; detail: string }>(
      prepared.artifact.uri,
      'skipped.jsonl',
    );
    assert.deepEqual(
      skipped.map(({ id }) => id),
      [4, 6, 5, 7, 8].map((row) => `verify.jsonl row ${row}`),
    );
    assert(skipped.some(({ detail }) => detail === 'no field "correct"'));
  });

  it('have prompts that are tried with the chat template before the run, with and without a reference', async () => {
    const usable = { pairs: pairsSchema.parse({ tasks: [{ task: 'verify', files: ['verify.jsonl'] }] }) };
    const tried = await markedConversations({ roots: [packageRoot] }, usable);
    assert.deepEqual(
      tried.map(({ field, prompt }) => [field, prompt.at(-1)?.content.includes('Marked reference.')]),
      [
        ['pairs.tasks.0.prompt', false],
        ['pairs.tasks.0.prompt', true],
      ],
    );
  });

  it('end the run if a file has none, or too many rows that are none', async () => {
    await assert.rejects(
      start({ pairs: { tasks: [{ task: 'score', files: ['verify.jsonl'] }] } }),
      /TooManySkipped: 9 of 9 rows of pairs\.tasks\.0\.files can't be used.*no field "score"/,
    );
  });

  it('are judged with the prompt of their task, several responses in every order', async () => {
    const { judge, recordsOf, endpoint } = await start();
    const judgments = await recordsOf<Judgment | RecordJudgment>(await judge());
    const asked = endpoint.requests.map(({ body }) => body.messages.at(-1)?.content ?? '');
    assert(asked.includes('SCORE How bad? two short'));
    const ranked = asked.filter((question) => question.startsWith('RANK'));
    assert.deepEqual(
      ranked.map((question) =>
        [...question.matchAll(/\n(one|best|three)\n/g)].map(([, text]) => text).join(),
      ),
      ['one,best,three', 'best,three,one', 'three,one,best'],
    );
    assert(ranked.every((question) => question.endsWith('(best)')));
    const verdicts = judgments.flatMap((judgment) =>
      'recordId' in judgment && judgment.task === 'rank' ? [[judgment.verdict, judgment.correct]] : [],
    );
    assert.deepEqual(verdicts, [
      ...[
        ['B', true],
        ['A', false],
        ['B', true],
      ],
      ...[
        ['A', true],
        ['B', false],
        ['A', true],
      ],
      ...[
        ['C', true],
        ['A', false],
        ['C', true],
      ],
    ]);
    const scores = judgments.flatMap((judgment) =>
      'recordId' in judgment && judgment.task === 'score' && judgment.correct ? [judgment.verdict] : [],
    );
    assert.deepEqual(scores.sort(), ['2', '2', '8', '8'], 'a score is right within half a point');
  });

  it('give training examples of the judgments with the right verdict, verified ones in equal parts', async () => {
    const { filter } = await start();
    const { counts, statistics, rows } = await filter();
    assert.deepEqual(statistics.tasks, [
      {
        ...{ task: 'score', records: 3, examples: 3, judgments: 9, correct: 4, withoutVerdict: 0 },
        ...{ kept: 2, trained: 4 },
      },
      {
        ...{ task: 'rank', records: 1, examples: 3, judgments: 9, correct: 6, withoutVerdict: 0 },
        ...{ kept: 3, trained: 6 },
      },
      {
        ...{ task: 'verify', records: 4, examples: 4, judgments: 12, correct: 8, withoutVerdict: 0 },
        ...{ kept: 4, trained: 4 },
      },
    ]);
    assert.equal(rows.length, 6 + 14);
    assert.deepEqual([counts['of other tasks'], counts['trainingExamples']], [14, 20]);
    const verified = rows.filter(({ id }) => id.startsWith('verify-'));
    assert.equal(
      verified.filter(({ completion }) => completion[0]?.content.includes('[[correct]]')).length,
      2,
    );
    const scored = rows.find(({ prompt }) => prompt[0]?.content === 'SCORE How bad? two short');
    assert.match(scored?.completion[0]?.content ?? '', /\[\[2\]\]$/);
  });

  it('are kept by the rules of pairs: reasoned judgments, how many of an example, and the share of right ones', async () => {
    const trained = async (filtering: ConfigurationInput['filtering']) => {
      const { filter } = await start({ filtering: { minExamples: 1, balance: false, ...filtering } });
      return (await filter()).statistics.tasks?.map((task) => task.trained);
    };
    assert.deepEqual(await trained({}), [2, 3, 4]);
    assert.deepEqual(await trained({ judgmentsPerExample: 2, minReasoning: 5 }), [2, 3, 4]);
    assert.deepEqual(await trained({ judgmentsPerExample: 3 }), [4, 6, 8]);
    assert.deepEqual(await trained({ judgmentsPerExample: 3, majorityThreshold: 0.7 }), [0, 0, 0]);
  });

  it('give prompts for GRPO with their label, those of the pass rate in every order, counted beside the pairs', async () => {
    const grpo = async (passRate: { min?: number; max?: number }, minExamples = 1) => {
      const { filter } = await start({
        fineTuning: { rounds: [{ method: 'grpo', passRate }] },
        filtering: { minExamples },
      });
      return filter<GrpoRecord>();
    };
    const { counts, statistics, rows } = await grpo({});
    assert.deepEqual(
      rows.slice(2).map(({ id, item, order, task, label }) => {
        assert.equal(id, `${item}/${order}/0000`);
        return [task, order, label];
      }),
      [
        ...['7.5', '2', '9'].map((label) => ['score', 'turn-0', label]),
        ...['B', 'A', 'C'].map((label, turn) => ['rank', `turn-${turn}`, label]),
        ...['correct', 'correct', 'correct', 'incorrect'].map((label) => ['verify', 'turn-0', label]),
      ],
    );
    assert.equal(rows[3]?.prompt[0]?.content, 'SCORE How bad? two short');
    assert.match(rows[6]?.prompt[0]?.content ?? '', /^RANK Which\? [^]*\nbest\n[^]*\(best\)$/);
    assert.deepEqual([counts['of other tasks'], counts['trainingExamples']], [10, 12]);
    const trained = (found: FilterStatistics) => found.tasks?.map(({ kept, trained: of }) => [kept, of]);
    assert.deepEqual(trained(statistics), [
      [2, 3],
      [3, 3],
      [4, 4],
    ]);
    // The judge is never right about one of the scores.
    const narrow = await grpo({ min: 0.1, max: 0.9 });
    assert.deepEqual(trained(narrow.statistics), [
      [2, 2],
      [3, 3],
      [4, 4],
    ]);
    await assert.rejects(
      grpo({ min: 0.1, max: 0.9 }, 20),
      /iteration 1 has 9 training examples, .* Of 3 examples of the task score 2 have such a pass rate\./,
    );
  });

  it('stop the sampling with the first right judgment, as pairs do', async () => {
    const { judge, recordsOf } = await start({
      judging: { samples: 3, strategy: { kind: 'until-correct', initialBatchSize: 1 } },
      filtering: { minExamples: 1 },
    });
    const judgments = await recordsOf<Judgment | RecordJudgment>(await judge());
    const of = (text: string) =>
      judgments.filter((judgment) => 'recordId' in judgment && judgment.text.endsWith(text));
    assert.equal(of('[[8]]').length, 1);
    assert.equal(of('[[5]]').length, 2, 'a score that is never right');
  });
});
