import { count } from '../report/format.ts';
import { card, escaped, fenced, markdownTable } from './markdown.ts';
import { LAYOUTS, type Layout } from './training-rows.ts';

/** The training set of one iteration, as it lies in the folder `iteration-<i>`. */
export interface ExportedSet {
  readonly iteration: number;
  readonly layout: Layout;
  readonly rows: number;
}

export interface DatasetCardData {
  readonly runName: string;
  readonly sets: readonly ExportedSet[];
  /** Whether the run has made the pairs that are judged, or files held them. */
  readonly pairs: 'generated' | 'given';
  /** The hub's names of the data sets that the instructions, or the pairs, come from. */
  readonly sourceDatasets: readonly string[];
  /** Where on the hub the judge stands that was trained on it, if it is pushed. */
  readonly modelRepository?: string | undefined;
  /** And the data set itself. */
  readonly repository?: string | undefined;
}

export const PARQUET_FILE = 'train.parquet';

/**
 * The README.md of a run's training sets. `datasets.load_dataset(folder)` goes by its `configs`: one for each layout,
 * because their columns differ, with a split for each iteration.
 */
export function datasetCard(data: DatasetCardData): string {
  const { runName, sets, sourceDatasets, modelRepository } = data;
  const given = data.pairs === 'given';
  const used = LAYOUTS.filter((layout) => sets.some((set) => set.layout === layout));
  const rows = sets.reduce((sum, set) => sum + set.rows, 0);
  const last = sets.at(-1);
  const frontMatter = {
    pretty_name: `Training sets of ${runName}`,
    task_categories: ['text-generation'],
    size_categories: [sizeCategory(rows)],
    tags: ['llm-as-a-judge', 'self-taught-evaluator', 'synthetic', 'trl', 'arxiv:2408.02666'],
    ...(sourceDatasets.length > 0 ? { source_datasets: sourceDatasets } : {}),
    configs: used.map((layout, index) => ({
      config_name: layout,
      ...(index === 0 ? { default: true } : {}),
      data_files: sets
        .filter((set) => set.layout === layout)
        .map(({ iteration }) => ({
          split: splitName(iteration),
          path: `iteration-${iteration}/${PARQUET_FILE}`,
        })),
    })),
  };
  return card(frontMatter, [
    `# Training sets of ${escaped(runName)}`,
    `Judgments that taught ${modelRepository === undefined ? 'a judge' : `the judge [${modelRepository}](https://huggingface.co/${modelRepository})`} ` +
      `${given ? 'on preference pairs' : 'without human labels'}, by the method of _Self-Taught Evaluators_ ` +
      '([arXiv 2408.02666](https://arxiv.org/abs/2408.02666)): a judge compares two responses whose better one is known ' +
      `${given ? 'from the data that the pairs come from' : 'by construction'}, and the judgments that reach the right verdict are kept.`,
    markdownTable(
      ['split', 'config', 'rows'],
      sets.map(({ iteration, layout, rows: ofSet }) => [splitName(iteration), layout, count(ofSet)]),
    ) ?? '',
    `Iteration i's set trains judge M_i; its judgments are by the judge before. Beside each \`${PARQUET_FILE}\` the folder of a run holds ` +
      'the same rows as `records.jsonl`.',
    ...(last === undefined ? [] : [fenced('python', loadingCode(data, last))]),
    '## Columns',
    columnsTable(used),
    'Messages are lists of `{role, content}`. TRL passes over the columns that it has no use for.',
    '## Limits',
    `Prompts hold ${given ? 'the instructions and responses of the given pairs' : 'instructions of the pool and responses of models'}; judgments are the texts ` +
      `of models. All may be wrong, offensive or hold personal data that the ${given ? 'pairs' : 'pool'} held. The licences of the ` +
      `${given ? 'pairs' : 'pool'} and of the models that wrote the texts apply.`,
  ]);
}

export function splitName(iteration: number): string {
  return `iteration_${iteration}`;
}

function loadingCode(
  { repository = 'outputs/datasets' }: DatasetCardData,
  { layout, iteration }: ExportedSet,
): string {
  const trainer = layout === 'preference' ? 'DPOTrainer' : 'SFTTrainer';
  return [
    'from datasets import load_dataset',
    `from trl import ${trainer}`,
    '',
    `rows = load_dataset(${JSON.stringify(repository)}, ${JSON.stringify(layout)}, split=${JSON.stringify(splitName(iteration))})`,
    `trainer = ${trainer}(model="your/model", train_dataset=rows)`,
  ].join('\n');
}

function columnsTable(used: readonly Layout[]): string {
  const sft = used.includes('prompt-completion');
  const dpo = used.includes('preference');
  return (
    markdownTable(
      ['column', 'what it is'],
      [
        ['`prompt`', 'the judge’s prompt: instruction and both responses'],
        ...(sft ? [['`completion`', 'the judgment that is taught']] : []),
        ...(dpo
          ? [
              ['`chosen`', 'a judgment with the right verdict'],
              ['`rejected`', 'one of the same prompt with a wrong verdict, or none'],
            ]
          : []),
        ['`id`', '`<pair>/<order>/<number>`'],
        ['`pair_id`', 'of the response pair: the same in both orders'],
        ['`order`', '`better-first`: the better response is A; `worse-first`: B'],
        ['`better_side`', 'the side that is better by construction, or by a person’s label: `A` or `B`'],
        ['`verdict`', 'of the taught judgment: `A`, `B`, `tie` or `none`'],
        ...(dpo ? [['`rejected_verdict`', 'of the rejected one']] : []),
        ['`source`', '`generated`, `given`, or the name of the human-labelled data'],
        [
          '`category`',
          'of the instruction, as an LLM said, or the subset of a given pair; null where neither is known',
        ],
      ],
    ) ?? ''
  );
}

/** The hub's names for how many rows a data set has. */
function sizeCategory(rows: number): string {
  const bounds = ['1K', '10K', '100K', '1M', '10M', '100M'];
  const above = bounds.findIndex((_, index) => rows < 10 ** (index + 3));
  if (above === 0) return 'n<1K';
  return above < 0 ? '100M<n<1B' : `${bounds[above - 1]}<n<${bounds[above]}`;
}
