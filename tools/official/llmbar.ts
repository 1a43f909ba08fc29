import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { llmBar } from '../../src/benchmarks/llmbar.ts';
import { SetupError } from '../../src/platform/setup-error.ts';
import { percentOf, readPublished, type Verification, type VerifiedFigure } from './verification.ts';

const answerSchema = z.object({
  completion: z.tuple([z.string()], z.unknown()),
  winner: z.enum(['1', '2']).nullable(),
});
const resultSchema = z.array(
  z.object({
    input: z.string(),
    label: z.union([z.literal(1), z.literal(2)]),
    results: z.tuple([z.object({ 'swap = False': answerSchema, 'swap = True': answerSchema })]),
  }),
);
const statisticsSchema = z.object({
  correct_average: z.string(),
  correct_both: z.string(),
  equal: z.string(),
});

/** The published statistics with the names of our figures. */
const FIGURES = {
  correct_average: 'accuracy, both orders',
  correct_both: 'correct in both orders',
  equal: 'agreement of both orders',
} as const;

const SETS = [
  'Natural',
  'Adversarial/Neighbor',
  'Adversarial/GPTInst',
  'Adversarial/GPTOut',
  'Adversarial/Manual',
];

/** LLMBar publishes the texts and statistics of its evaluators, of which those with the chain-of-thought prompt are verified. */
export async function verifyLlmBar(folder: string): Promise<Verification | undefined> {
  const root = ['Dataset/LLMBar', 'LLMBar', '.']
    .map((part) => join(folder, part))
    .find((part) => existsSync(join(part, 'Natural/dataset.json')));
  if (root === undefined) return undefined;
  const { items, warnings } = await llmBar.read(root);
  const figures: VerifiedFigure[] = [];
  const verdicts = { compared: 0, different: 0 };
  for (const set of SETS) {
    const evaluators = join(root, set, 'evaluators');
    const name = set.split('/').at(-1) ?? set;
    const ofSet = items.filter(({ subset }) => subset === name);
    for (const model of existsSync(evaluators) ? (await readdir(evaluators)).sort() : []) {
      const outputs = join(evaluators, model, 'CoT');
      if (!existsSync(join(outputs, 'statistics.json'))) continue;
      const config = join(folder, 'LLMEvaluator/evaluators/config', model, 'CoT.json');
      if (
        existsSync(config) &&
        !JSON.stringify(await readPublished(config, z.unknown())).includes('is better.')
      ) {
        warnings.push(`${outputs}: not compared, because its configuration has another parser`);
        continue;
      }
      const results = await readPublished(join(outputs, 'result.json'), resultSchema);
      const statistics = await readPublished(join(outputs, 'statistics.json'), statisticsSchema);
      const judgments = results.flatMap(({ input, label, results: [answers] }, index) => {
        const item = ofSet[index];
        if (item?.instruction !== input)
          throw new SetupError(`${outputs}/result.json: row ${index} is not that of ${set}/dataset.json`);
        return (['swap = False', 'swap = True'] as const).map((order) => {
          const { completion, winner } = answers[order];
          const isSwapped = order === 'swap = True';
          const verdict = llmBar.officialVerdict(completion[0]);
          verdicts.compared += 1;
          if (verdict !== sideOf(winner, isSwapped)) verdicts.different += 1;
          const isBetterFirst = (label === 1) !== isSwapped;
          const slot = isBetterFirst ? 'better-first' : 'worse-first';
          return { item: item.id, slot, texts: [completion[0]] };
        });
      });
      const { official } = llmBar.score(ofSet, judgments, { seed: 1 });
      for (const [statistic, figure] of Object.entries(FIGURES) as [keyof typeof FIGURES, string][])
        figures.push({
          name: `${model} on ${name}: ${figure}`,
          published: Number(/([\d.]+)%$/.exec(statistics[statistic])?.[1]),
          ours: percentOf(official.figures, figure),
        });
    }
  }
  return { repository: 'princeton-nlp/LLMBar', folder, rows: items.length, warnings, figures, verdicts };
}

/** A winner names an output of the row; a swapped text calls the first of them (b). */
function sideOf(winner: '1' | '2' | null, isSwapped: boolean): 'A' | 'B' | undefined {
  if (winner === null) return undefined;
  return (winner === '1') !== isSwapped ? 'A' : 'B';
}
