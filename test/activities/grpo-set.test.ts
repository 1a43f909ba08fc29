import assert from 'node:assert/strict';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { FilterStatistics } from '../../src/method/filter-statistics.ts';
import { ORDERS } from '../../src/method/examples.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import type { GrpoRecord } from '../../src/models/training/recipes/grpo-tasks.ts';
import { recipeOf } from '../../src/models/training/recipes/registry.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { readPrompts } from '../../src/runs/prompts.ts';
import { judgments, pairs, publishSampled } from '../support/sampled-judgments.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

type Round = Extract<
  NonNullable<NonNullable<ConfigurationInput['fineTuning']>['rounds']>[number],
  { method: 'grpo' }
>;

describe('the training set of a GRPO round', () => {
  let testRun: TestRun;
  afterEach(() => testRun.close());

  async function filter(
    round: Partial<Round>,
    filtering: ConfigurationInput['filtering'] = { minExamples: 1 },
  ) {
    const own = (name: string, user: string) => ({ [`prompts/${name}`]: { user } });
    testRun = await startTestRun(
      { filtering, fineTuning: { rounds: [{ method: 'grpo', ...round }] } },
      {
        tasks: {
          ...own('pairwise-scores', 'Scores? {instruction} (A) {responseA} (B) {responseB}'),
          ...own('score/plain', 'Score? {instruction} [{rubric}] {response}'),
        },
      },
    );
    const { deps } = testRun;
    const input = await publishSampled(testRun);
    const result = await asActivity(() => filterJudgments(deps, input));
    return { ...result, rows: await deps.store.readRecords<GrpoRecord>(result.artifact) };
  }

  /** The number of the eight judgments of a pair that are correct. */
  const correctOf = (pairId: string) =>
    judgments.filter((judgment) => judgment.pairId === pairId && judgment.correct).length;

  it('has every pair in both orders, with the side of the better response', async () => {
    const { rows, counts } = await filter({});
    assert.deepEqual(
      rows.map(({ item, order }) => `${item}/${order}`),
      pairs.flatMap(({ id }) => ORDERS.map((order) => `${id}/${order}`)),
    );
    assert.equal(counts['trainingExamples'], 2 * pairs.length);
    for (const { item, order, label, prompt } of rows) {
      const index = Number(item.slice(5));
      assert.equal(label, order === 'better-first' ? 'A' : 'B');
      const shown = [`better ${index}`, `worse ${index}`];
      const [a, b] = order === 'better-first' ? shown : shown.toReversed();
      assert.deepEqual(prompt, [{ role: 'user', content: `Question ${index}? (A) ${a} (B) ${b}` }]);
    }
  });

  it('selects pairs by the share of their judgments that are correct', async () => {
    const { rows, counts } = await filter({ passRate: { min: 0.25, max: 0.5 } });
    const selected = pairs.filter(({ id }) => correctOf(id) >= 2 && correctOf(id) <= 4);
    assert(selected.length > 5 && selected.length < pairs.length);
    assert.deepEqual(
      [...new Set(rows.map(({ item }) => item))],
      selected.map(({ id }) => id),
    );
    assert.equal(counts['examples outside the pass rate'], 2 * (pairs.length - selected.length));
  });

  it('says in its manifest what the pass rate left, how hard the examples were, and nothing about learned judgments', async () => {
    const { artifact, counts } = await filter({ passRate: { min: 0.25, max: 0.5 } });
    const manifest = await testRun.deps.store.readManifest(artifact.uri);
    const statistics = manifest?.summary as FilterStatistics;
    assert.deepEqual(statistics.steps, [
      { step: 'judged', examples: 2 * pairs.length },
      { step: 'within the pass rate', examples: counts['trainingExamples'] },
    ]);
    assert.deepEqual(statistics.samples, { drawn: judgments.length, perExample: 4 });
    const examples = Map.groupBy(judgments, ({ pairId, order }) => `${pairId}/${order}`);
    const numbers = [...examples.values()].map((of) => of.filter(({ correct }) => correct).length);
    assert.deepEqual(
      statistics.examplesByCorrect?.slice(0, 5),
      [0, 1, 2, 3, 4].map((correct) => numbers.filter((number) => number === correct).length),
    );
    const half = (counts['trainingExamples'] ?? 0) / 2;
    assert.deepEqual(statistics.sides, { A: half, B: half });
    assert.deepEqual(statistics.sources, { generated: 2 * half });
    assert(!('reasoned' in statistics));
  });

  it('gives each pair one task, drawn by the seed and by weight, in both orders or for both responses', async () => {
    const tasks = [
      { kind: 'pairwise' as const },
      { kind: 'pairwise-scores' as const },
      { kind: 'pointwise' as const, weight: 2 },
    ];
    const { rows, artifact } = await filter({ tasks });
    const taskOf = new Map(rows.map(({ item, task }) => [item, task]));
    const counts = Object.groupBy(taskOf.values(), (task) => task);
    assert.deepEqual(Object.keys(counts).sort(), ['pairwise', 'pairwise-scores', 'pointwise']);
    assert((counts['pointwise']?.length ?? 0) > (counts['pairwise']?.length ?? 0));
    for (const { item, order, task, prompt } of rows) {
      assert.equal(task, taskOf.get(item));
      const index = Number(item.slice(5));
      const shown = [`better ${index}`, `worse ${index}`];
      const [a, b] = order === 'better-first' ? shown : shown.toReversed();
      const text = prompt[0]?.content ?? '';
      if (task === 'pointwise')
        assert.match(text, new RegExp(`^Score\\? Question ${index}\\? \\[How well .*\\] ${a}$`));
      else assert.equal(text, `${task === 'pairwise' ? '' : 'Scores? '}Question ${index}? (A) ${a} (B) ${b}`);
    }
    await testRun.close();
    assert.equal((await filter({ tasks })).artifact.sha256, artifact.sha256);
    await testRun.close();
    assert.notEqual((await filter({ tasks: tasks.slice(0, 2) })).artifact.sha256, artifact.sha256);
  });

  it('fails and says the numbers if too few pairs have the pass rate', async () => {
    await assert.rejects(
      filter({ passRate: { min: 0.96, max: 0.97 } }, { minExamples: 3 }),
      /iteration 1 has 0 training examples, fewer than filtering\.minExamples \(3\): of 30 pairs 0 have a pass rate between 0\.96 and 0\.97/,
    );
  });
});

describe('the configuration of a GRPO round', () => {
  const problemsOf = (changes: Partial<ConfigurationInput>, round: Partial<Round> = {}) =>
    parseConfiguration({
      ...tinyConfiguration('grpo', 'http://127.0.0.1:9/v1', {
        fineTuning: { rounds: [{ method: 'grpo', ...round }] },
        ...changes,
      }),
    }).problems.map(({ path, message }) => `${path}: ${message}`);

  it('is refused with settings that select judgments, which it has none of', () => {
    assert.deepEqual(problemsOf({}), []);
    const filtering = { target: 'majority-vote', minReasoning: 3, judgmentsPerExample: 2 } as const;
    const judging = { prompt: 'prompts/compact/judge', samples: 3 };
    assert.deepEqual(
      problemsOf({ filtering, judging }).map((problem) => problem.split(':')[0]),
      ['filtering.target', 'filtering.judgmentsPerExample', 'filtering.minReasoning'],
    );
  });

  it('has a round of SFT before it that learns no guesses', () => {
    const changes: Partial<ConfigurationInput> = {
      fineTuning: { rounds: [{ method: 'sft' }, { method: 'grpo' }] },
      filtering: { minReasoning: 3 },
    };
    assert.deepEqual(problemsOf(changes), []);
  });

  it('is refused with a pass rate that the sampling does not measure, or that is empty', () => {
    const judging = { prompt: 'prompts/compact/judge', strategy: { kind: 'until-correct' } } as const;
    assert.deepEqual(problemsOf({ judging }), []);
    assert.match(
      problemsOf({ judging }, { passRate: { max: 0.9 } }).join(),
      /^judging\.strategy\.kind: found "until-correct", but "passRate" of a round of GRPO compares shares of all N judgments/,
    );
    assert.match(
      problemsOf({}, { passRate: { min: 0.9, max: 0.1 } }).join(),
      /^fineTuning\.rounds\.0\.passRate\.min: .*above max/,
    );
  });

  it('is refused if the scores of both responses would be torn apart, or a prompt lacks what its task shows', async () => {
    const hyperparameters = {
      ...{ reward: 'verdict' as const, numGenerations: 8 },
      ...{ perDeviceBatchSize: 8, gradientAccumulationSteps: 1 },
    };
    assert.deepEqual(problemsOf({}, { hyperparameters, tasks: [{ kind: 'pairwise' }] }), []);
    assert.match(
      problemsOf({}, { hyperparameters, tasks: [{ kind: 'pairwise' }, { kind: 'pointwise' }] }).join(),
      /^fineTuning\.rounds\.0\.hyperparameters\.perDeviceBatchSize: .*2 x numGenerations with a pointwise task/,
    );
    const { configuration } = parseConfiguration(
      tinyConfiguration('grpo', 'http://127.0.0.1:9/v1', {
        fineTuning: {
          rounds: [{ method: 'grpo', tasks: [{ kind: 'pointwise', prompt: 'prompts/pairwise' }] }],
        },
      }),
    );
    await assert.rejects(
      readPrompts({ files: { roots: [packageRoot] } }, configuration!),
      /prompts\/pairwise\/user\.txt lacks \{rubric\} and \{response\}/,
    );
  });

  it('makes another training set if two tasks exchange their prompts', () => {
    const inputsFor = ([first, second]: readonly [string, string]) => {
      const tasks = [
        { kind: 'pairwise' as const, prompt: first },
        { kind: 'pairwise-scores' as const, prompt: second },
      ];
      const { configuration } = parseConfiguration(
        tinyConfiguration('grpo', 'http://127.0.0.1:9/v1', {
          fineTuning: { rounds: [{ method: 'grpo', tasks }] },
        }),
      );
      return configuration!.fineTuning.rounds.map((round) =>
        recipeOf(round).fingerprintInputs(configuration!, round),
      );
    };
    const both = ['prompts/pairwise', 'prompts/pairwise-scores'] as const;
    assert.notDeepEqual(inputsFor(both), inputsFor([both[1], both[0]]));
  });

  it('reads the prompts of all tasks, each with the form that its judgments are read by', async () => {
    const tasks = [{ kind: 'pairwise-scores' as const }, { kind: 'pointwise' as const }];
    const { configuration } = parseConfiguration(
      tinyConfiguration('grpo', 'http://127.0.0.1:9/v1', {
        fineTuning: { rounds: [{ method: 'grpo', tasks }] },
      }),
    );
    const { tasks: prompts } = await readPrompts({ files: { roots: [packageRoot] } }, configuration!);
    assert.deepEqual(Object.keys(prompts ?? {}), ['prompts/pairwise-scores', 'prompts/score/plain']);
    assert.match(prompts?.['prompts/pairwise-scores']?.system ?? '', /"\[\[A: 7\]\] \[\[B: 4\]\] \[\[A\]\]"/);
    assert.match(prompts?.['prompts/score/plain']?.system ?? '', /"\[\[5\]\]"/);
  });
});
