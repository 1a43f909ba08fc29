import type { BenchmarkScores, GroupScores } from '../benchmarks/benchmark.ts';
import type { Round } from '../config/fine-tuning.ts';
import type { Sampling } from '../config/schema.ts';
import type { PromptTemplate } from '../judge/prompt-template.ts';
import { count, percent, range } from '../report/format.ts';
import type { ReportComparison, ReportEvaluation, ReportIteration } from '../report/report-data.ts';
import { usageSection } from './judge-snippets.ts';
import { card, escaped, fenced, markdownTable } from './markdown.ts';

/** A model as a card names it: never by a path of the machine that it was trained on. */
export interface NamedModel {
  readonly name: string;
  /** Its repository on the hub, where it is known. */
  readonly repository?: string | undefined;
}

export interface ModelCardData {
  readonly runName: string;
  readonly seed: number;
  /** The judge that the card is about. */
  readonly judge: ReportIteration;
  /** M_0, to compare with. */
  readonly seedJudge: ReportIteration | undefined;
  readonly comparisons: readonly ReportComparison[];
  readonly models: Readonly<Record<'seed' | 'generator' | 'firstJudge', NamedModel>>;
  /** Whether the run has made its pairs or was given them, and of what: data sets of the hub, or names of files. */
  readonly pairs: { readonly kind: 'generated' | 'given'; readonly from: readonly string[] };
  readonly humanData: readonly string[];
  /** The hub's names of the data sets that went into it, and of the training sets if they are pushed. */
  readonly datasets: readonly string[];
  /** How this judge was trained, and from what. */
  readonly round: Round;
  readonly startedFrom: string;
  readonly adapter: string;
  /** What it was trained under. */
  readonly prompt: PromptTemplate;
  /** That it was evaluated with. */
  readonly sampling: Sampling;
  /** Where on the hub it is going to be. */
  readonly repository?: string | undefined;
  readonly warnings: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * The README.md of a judge: for the hub its metadata with every figure (`model-index`), for people what it is, how it
 * came about, what it is worth, how to use it. The licence is the base model's: the card names none of its own.
 */
export function modelCard(data: ModelCardData): string {
  const { judge, models, datasets, runName, round } = data;
  const name = `${runName} M_${judge.iteration}`;
  const { repository: base } = models.seed;
  const frontMatter = {
    ...(base === undefined ? {} : { base_model: base, base_model_relation: 'finetune' }),
    ...(datasets.length > 0 ? { datasets } : {}),
    library_name: 'transformers',
    pipeline_tag: 'text-generation',
    tags: ['llm-as-a-judge', 'self-taught-evaluator', 'trl', round.method, 'arxiv:2408.02666'],
    'model-index': [{ name, results: judge.evaluations.map(indexResult) }],
  };
  return card(frontMatter, [
    `# ${escaped(name)}`,
    `A judge: it compares two responses to an instruction, gives its reasons and ends with \`[[A]]\` or \`[[B]]\`. It was trained from ` +
      `${shownModel(models.seed)} ${learnedFrom(data)} by the method of ` +
      '_Self-Taught Evaluators_ ([arXiv 2408.02666](https://arxiv.org/abs/2408.02666)). The licence of the base model applies.',
    usageSection(data),
    '## Figures',
    ...figures(data),
    '## Position bias',
    positionBias(data),
    '## Training data',
    ...trainingData(data),
    '## Training',
    ...training(data),
    '## Limits',
    limits(data),
    '## Versions',
    Object.entries(data.versions)
      .map(([part, version]) => `${escaped(part)} ${escaped(version)}`)
      .join(', '),
  ]);
}

function learnedFrom({ pairs, humanData }: ModelCardData): string {
  if (pairs.kind === 'given') return 'on preference pairs that it was given';
  return humanData.length === 0 ? 'without human labels' : 'on generated pairs and human-labelled ones';
}

/**
 * One result of `model-index`. The data set's type is the benchmark's format and no repository of the hub: the file
 * that was read need not be the one that stands there.
 */
function indexResult({ benchmark, purpose, scores }: ReportEvaluation) {
  const metric = (type: string, name: string, value: number) => ({ type, name, value: rounded(value) });
  return {
    task: { type: 'text-generation', name: 'Pairwise judging' },
    dataset: { type: scores.benchmark, name: benchmark, split: purpose },
    metrics: [
      metric('accuracy', 'Accuracy, both orders', scores.accuracy),
      metric('accuracy', 'Right in both orders', scores.positionConsistentAccuracy),
      ...scores.official.figures.flatMap(({ name, value }) =>
        value === null ? [] : [metric('accuracy', `${name}, by the published rule`, value)],
      ),
      ...scores.sections.map((section) => metric('accuracy', `Accuracy, ${section.name}`, section.accuracy)),
    ],
  };
}

/** A share with four decimals: more would be noise. */
function rounded(share: number): number {
  return Math.round(share * 10_000) / 10_000;
}

function shownModel({ name, repository }: NamedModel): string {
  return repository === undefined
    ? `\`${name.replaceAll('`', '')}\``
    : `[${repository}](https://huggingface.co/${repository})`;
}

function figures({ judge, seedJudge, comparisons }: ModelCardData): string[] {
  return judge.evaluations.flatMap(({ benchmark, purpose, scores }) => {
    const before = seedJudge?.evaluations.find((one) => one.benchmark === benchmark)?.scores;
    const groups = (kind: 'sections' | 'subsets') =>
      scores[kind].map((group) => groupRow(group, before && groupNamed(before[kind], group.name)));
    const groupTitles = ['pairs', 'accuracy', 'M_0', 'right in both orders', 'M_0'];
    const tables = [
      markdownTable(
        ['figure', 'this judge', 'M_0'],
        [
          ['accuracy, both orders', withInterval(scores, 'accuracy'), withInterval(before, 'accuracy')],
          [
            'right in both orders',
            withInterval(scores, 'positionConsistentAccuracy'),
            withInterval(before, 'positionConsistentAccuracy'),
          ],
          ...scores.official.figures.map(({ name, value }) => [
            `${escaped(name)}, by the published rule`,
            percent(value),
            percent(before?.official.figures.find((one) => one.name === name)?.value),
          ]),
          ['without a verdict', percent(scores.unparsable), percent(before?.unparsable)],
        ],
      ),
      markdownTable(['section', ...groupTitles], groups('sections')),
      markdownTable(['subset', ...groupTitles], groups('subsets')),
    ].filter((table) => table !== undefined);
    const compared = comparisons.find((one) => one.benchmark === benchmark && one.purpose === purpose);
    return [
      `### ${escaped(benchmark)}`,
      `${count(scores.pairs)} pairs in the format \`${scores.benchmark}\`, for ${purpose}; 95% intervals in brackets. Each pair is asked in both ` +
        'orders, and a judgment without a verdict is wrong.',
      ...tables,
      ...(compared === undefined ? [] : [comparison(compared)]),
    ];
  });
}

function comparison({ comparison: { items, accuracy } }: ReportComparison): string {
  const { difference, interval } = accuracy;
  const points = (share: number) => (share * 100).toFixed(1);
  return `Against M_0 on the same ${count(items)} pairs: ${points(difference)} points of accuracy (${points(interval.low)} to ${points(interval.high)}).`;
}

function withInterval(
  scores: BenchmarkScores | undefined,
  figure: 'accuracy' | 'positionConsistentAccuracy',
): string {
  return scores === undefined ? '–' : `${percent(scores[figure])} (${range(scores[`${figure}Interval`])})`;
}

function groupRow(group: GroupScores, before: GroupScores | undefined): string[] {
  return [
    escaped(group.name),
    count(group.pairs),
    `${percent(group.accuracy)} (${range(group.accuracyInterval)})`,
    percent(before?.accuracy),
    `${percent(group.positionConsistentAccuracy)} (${range(group.positionConsistentAccuracyInterval)})`,
    percent(before?.positionConsistentAccuracy),
  ];
}

function groupNamed(groups: readonly GroupScores[], name: string): GroupScores | undefined {
  return groups.find((group) => group.name === name);
}

function positionBias({ judge, seedJudge }: ModelCardData): string {
  const rows = judge.evaluations.flatMap(({ benchmark, scores }) => {
    const before = seedJudge?.evaluations.find((one) => one.benchmark === benchmark)?.scores;
    const row = (who: string, of: BenchmarkScores) => [
      escaped(benchmark),
      who,
      percent(of.betterFirstAccuracy),
      percent(of.worseFirstAccuracy),
      percent(of.shareOfA),
    ];
    return [row('this judge', scores), ...(before === undefined ? [] : [row('M_0', before)])];
  });
  const titles = ['benchmark', 'judge', 'right, better first', 'right, better second', 'share of A'];
  return (markdownTable(titles, rows) ?? 'The judge was not evaluated.').concat(
    '\n\nWithout position bias both accuracies are the same, and half of the verdicts are A. Ask in both orders where it matters.',
  );
}

function trainingData({ judge, models, pairs, humanData }: ModelCardData): string[] {
  const { funnel } = judge;
  const statistics = funnel?.statistics;
  const rows = funnel && [
    ...(funnel.rows === undefined ? [] : [['rows of the given pairs', count(funnel.rows)]]),
    ...(funnel.instructions === undefined
      ? []
      : [
          ['instructions in the pool', count(funnel.instructions)],
          ['selected', count(funnel.selected ?? 0)],
        ]),
    ['response pairs', count(funnel.pairs)],
    ...(funnel.humanPairs === undefined ? [] : [['human-labelled pairs', count(funnel.humanPairs)]]),
    ['judgments sampled', count(funnel.judgments)],
    ['with the right verdict', count(funnel.right)],
    ...(statistics?.steps ?? []).map(({ step, examples }) => [`examples that ${step}`, count(examples)]),
    ['training examples', count(funnel.trainingExamples)],
  ];
  const from = pairs.from.map(escaped).join(', ');
  const human = humanData.length > 0 ? ` Human-labelled pairs: ${humanData.map(escaped).join(', ')}.` : '';
  const origin =
    pairs.kind === 'given'
      ? `Response pairs whose better side was given: ${from}.`
      : `Instructions: ${from}.${human} Response pairs whose better side is known by construction were written by ${shownModel(models.generator)}.`;
  const judgedBy =
    judge.iteration === 1 ? shownModel(models.firstJudge) : `M_${judge.iteration - 1} of the same run`;
  return [
    `${origin} The judgments of them are by ${judgedBy}, and those with the right verdict were kept.`,
    ...(rows === undefined ? [] : [markdownTable(['from instructions to examples', ''], rows) ?? '']),
  ];
}

function training({ judge, round, startedFrom, adapter, seed }: ModelCardData): string[] {
  const facts = judge.training;
  const settings = { method: round.method, startedFrom, adapter, seed, ...round.hyperparameters };
  const took =
    facts === undefined
      ? []
      : [
          `${count(facts.steps)} steps, mean loss ${facts.meanLoss.toFixed(4)}, last ${facts.finalLoss.toFixed(4)}.`,
        ];
  return [...took, fenced('json', JSON.stringify(settings, undefined, 2))];
}

function limits({ warnings, pairs }: ModelCardData): string {
  return [
    'Verdicts are a model’s opinion and may be wrong, also where the reasons sound right. What the judge has learnt comes from',
    pairs.kind === 'given'
      ? 'the pairs that it was given: it need not carry over to other kinds of responses, to other languages than theirs, or to other prompts than the one above.'
      : 'synthetic pairs: it need not carry over to other kinds of responses, to other languages than the pool’s, or to other prompts than the one above.',
    'Where the checkpoint was chosen by a benchmark for validation, that benchmark’s figure is a little too good.',
    ...warnings.map((warning) => `\n- ${escaped(warning)}`),
  ].join('\n');
}
