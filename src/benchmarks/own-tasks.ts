import { resolve } from 'node:path';
import { readRows } from '../datasets/rows/read-rows.ts';
import { LABEL_FIELDS, readTaskRecord } from '../datasets/task-records.ts';
import { requestedTurns } from '../method/task-verdicts.ts';
import {
  farthestScore,
  isScoreRight,
  letterOf,
  MAX_RANKED,
  parseTaskVerdict,
  SCORE_RANGE,
  type TaskLabel,
  type TaskName,
  taskPrompts,
  taskQuestion,
  TASKS,
  taskVerdictForm,
} from '../method/tasks.ts';
import {
  type Benchmark,
  type BenchmarkFile,
  type BenchmarkItem,
  InvalidBenchmarkFile,
  type JudgeRequest,
  type OfficialFigure,
  type ScoringOptions,
} from './benchmark.ts';
import { correlationInterval, pearson, scoreAgreement, spearman, type ValuePair } from './correlation.ts';
import { withIntervals } from './figure-intervals.ts';
import { promptClusters } from './prompt-clusters.ts';
import { rowIds, throwIfProblems } from './read-benchmark.ts';
import { scoreGraded } from './score-graded.ts';
import { type GradedAnswer, mean, meanOrNull, type ParsedText } from './strict-scores.ts';
import { drawIndex, JudgmentTexts, majority, requestId } from './votes.ts';

/** A record of a user's own file. */
export interface TaskItem extends BenchmarkItem {
  readonly responses: readonly string[];
  readonly reference?: string | undefined;
  readonly rubric?: string | undefined;
  /** The verdict that is known to be right. */
  readonly label: TaskLabel;
}

/** An item with the judge's answers. */
interface Result {
  readonly item: TaskItem;
  readonly answers: readonly GradedAnswer[];
  /** The score, if the task is `score`. */
  readonly score?: number | undefined;
}

/** The differences between the benchmarks of the tasks. */
interface OwnTask {
  readonly task: TaskName;
  /** Grades the texts of each order of the responses. */
  readonly grade: (item: TaskItem, texts: readonly (readonly ParsedText[])[], seed: number) => Result;
  readonly figuresOf: (results: readonly Result[], seed: number) => OfficialFigure[];
  /** Figures that have an interval of their own. */
  readonly correlations?: (results: readonly Result[], independent: number) => OfficialFigure[];
}

/** A user's own responses that are known to be correct or incorrect. */
export const ownVerifications = taskBenchmark({
  task: 'verify',
  grade(item, [texts = []], seed) {
    const verdict = majority(
      texts.map(({ strict }) => strict),
      seed,
      item.id,
    );
    return { item, answers: [{ correct: verdict === item.label, position: 'none', texts }] };
  },
  figuresOf(results) {
    const shareOf = (label: string) => {
      const labelled = results.filter(({ item }) => item.label === label);
      return meanOrNull(labelled.map(isCorrect));
    };
    const [accepted, rejected] = [shareOf('correct'), shareOf('incorrect')];
    const both = accepted === null || rejected === null ? null : (accepted + rejected) / 2;
    return [
      { name: 'accuracy', value: meanOrNull(results.map(isCorrect)) },
      { name: 'balanced accuracy', value: both },
      { name: 'correct responses accepted', value: accepted },
      { name: 'incorrect responses rejected', value: rejected },
    ];
  },
});

/** A user's own groups of responses of which the best one is known. It takes every place once, by turns with the others. */
export const ownRankings = taskBenchmark({
  task: 'rank',
  grade(item, texts, seed) {
    const answers = texts.map((ofOrder, turn): GradedAnswer => {
      const place = placeOfBest(item, turn);
      const verdict = majority(
        ofOrder.map(({ strict }) => strict),
        seed,
        item.id,
        String(turn),
      );
      return {
        correct: verdict === letterOf(place),
        position: place === 0 ? 'first' : 'later',
        texts: ofOrder,
      };
    });
    return { item, answers };
  },
  figuresOf: (results, seed) => [
    { name: 'top-1 accuracy, all places', value: meanOrNull(results.map(shareCorrect)) },
    { name: 'top-1 accuracy, one place', value: meanOrNull(results.map((result) => onePlace(result, seed))) },
    { name: 'correct in every place', value: meanOrNull(results.map(isCorrect)) },
    {
      name: 'by chance',
      value: meanOrNull(results.map(({ item }) => 1 / item.responses.length)),
    },
  ],
});

/**
 * A user's own responses with scores. A response without a score counts as the score that is farthest from its label, so
 * that no answer can't improve a figure.
 */
export const ownScores = taskBenchmark({
  task: 'score',
  grade(item, [texts = []]) {
    const scores = texts.flatMap(({ strict }) => (strict === undefined ? [] : [Number(strict)]));
    const label = Number(item.label);
    const score = scores.length === 0 ? undefined : mean(scores);
    const correct = score !== undefined && isScoreRight(score, label);
    return { item, score, answers: [{ correct, position: 'none', texts }] };
  },
  figuresOf(results) {
    const { withinOnePoint, meanError } = scoreAgreement(scorePairs(results));
    return [
      { name: 'agreement within one point', value: withinOnePoint },
      { name: 'agreement within half a point', value: meanOrNull(results.map(isCorrect)) },
      { name: 'mean error, in parts of the scale', value: meanError === null ? null : meanError / SCALE },
    ];
  },
  correlations: (results, independent) =>
    (
      [
        ['Spearman', 'spearman', spearman],
        ['Pearson', 'pearson', pearson],
      ] as const
    ).map(([name, kind, of]) => {
      const value = of(scorePairs(results));
      const interval = value === null ? undefined : correlationInterval(value, independent, kind);
      return { name: `${name}'s correlation`, value, ...(interval === undefined ? {} : { interval }) };
    }),
});

const SCALE = SCORE_RANGE.highest - SCORE_RANGE.lowest;

function taskBenchmark(own: OwnTask): Benchmark<TaskItem> {
  const { task, grade, figuresOf, correlations } = own;
  const orders = ({ responses }: TaskItem) => requestedTurns(responses.length, { orders: 'both' });
  const requests = (item: TaskItem): JudgeRequest[] =>
    orders(item).map((order, index) => {
      const slot = slotOf(index);
      const shown = { ...item, responses: order.map((place) => item.responses[place] ?? '') };
      return { id: requestId(item.id, slot), item: item.id, slot, ...taskQuestion(task, shown) };
    });
  const parse = (responses: number) => (text: string) => parseTaskVerdict(task, text, responses);
  return {
    prompts: { folder: TASKS[task].folder, requiredPlaceholders: taskPrompts(task) },
    read: (path) => readItems(task, path),
    requests,
    officialVerdict: parse(MAX_RANKED),
    score(items, judgments, options: ScoringOptions) {
      const { seed } = options;
      const texts = new JudgmentTexts(items.flatMap(requests), judgments, options);
      const form = taskVerdictForm(task);
      const results = items.map((item) => {
        const rule = parse(item.responses.length);
        const ofOrders = orders(item).map((_, index) =>
          texts.parse(item.id, slotOf(index), { strict: rule, official: rule, form }),
        );
        return grade(item, ofOrders, seed);
      });
      const clusters = promptClusters(items);
      const clusterOf = ({ item: { id } }: Result) => clusters.get(id) ?? id;
      const resampling = { clusterOf, stratumOf: () => '', answers: 1 };
      const figures = withIntervals(results, resampling, (drawn) => figuresOf(drawn, seed), seed);
      const independent = new Set(results.map(clusterOf)).size;
      const graded = results.map((result) => ({
        id: result.item.id,
        subset: result.item.subset,
        cluster: clusterOf(result),
        answers: result.answers,
      }));
      const official = { figures: [...figures, ...(correlations?.(results, independent) ?? [])], seed };
      return scoreGraded({ benchmark: TASKS[task].benchmark, graded, missing: texts.missing, official });
    },
  };
}

async function readItems(task: TaskName, path: string): Promise<BenchmarkFile<TaskItem>> {
  const file = resolve(path);
  const problems: string[] = [];
  const records: Omit<TaskItem, 'id'>[] = [];
  let rows = 0;
  for await (const { row, value, problem } of readRows(file)) {
    rows += 1;
    const read = problem ?? readTaskRecord(task, value);
    if (typeof read === 'string') problems.push(`row ${row}: ${read}`);
    else if (read.label === undefined) problems.push(`row ${row}: no field "${LABEL_FIELDS[task]}"`);
    else records.push({ ...read, subset: read.subset ?? 'all', label: read.label });
  }
  if (rows === 0) throw new InvalidBenchmarkFile(`${file}: has no rows; docs/benchmarks.md has their form`);
  throwIfProblems(file, problems);
  const idOf = rowIds(rows);
  return { items: records.map((record, row) => ({ id: idOf(row), ...record })), warnings: [] };
}

function slotOf(order: number): string {
  return `order-${String(order).padStart(2, '0')}`;
}

/** The place at which the best response is shown in a turn. */
function placeOfBest({ responses, label }: TaskItem, turn: number): number {
  return (Number(label) - turn + responses.length) % responses.length;
}

function isCorrect({ answers }: Result): number {
  return Number(answers.every(({ correct }) => correct));
}

function shareCorrect({ answers }: Result): number {
  return mean(answers.map(({ correct }) => Number(correct)));
}

/** The outcome in one place, which the seed draws. */
function onePlace({ item, answers }: Result, seed: number): number {
  return Number(answers[drawIndex(answers.length, seed, 'rankings-place', item.id)]?.correct);
}

/** The score and the label of each response. */
function scorePairs(results: readonly Result[]): ValuePair[] {
  return results.map(({ item, score }) => {
    const label = Number(item.label);
    return [score ?? farthestScore(label), label];
  });
}
