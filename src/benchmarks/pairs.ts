import { z } from 'zod';
import { pairBenchmark } from './pair-benchmark.ts';
import { pairFigures } from './pair-figures.ts';
import { readBenchmarkRows, rowIds } from './read-benchmark.ts';
import { strictVerdict } from './votes.ts';

const text = z.string().min(1);
const rowSchema = z.object({
  prompt: text,
  chosen: z.string(),
  rejected: z.string(),
  subset: text.nullish(),
});

/** A user's own pairs: `prompt, chosen, rejected` and perhaps `subset`. No rule but ours is there to follow. */
export const pairs = pairBenchmark({
  name: 'pairs',
  async read(path) {
    const { rows } = await readBenchmarkRows(
      path,
      rowSchema,
      'it must have columns prompt, chosen, rejected',
    );
    const idOf = rowIds(rows.length);
    const items = rows.map(({ prompt, chosen, rejected, subset }, row) => ({
      id: idOf(row),
      subset: subset ?? 'all',
      instruction: prompt,
      better: chosen,
      worse: rejected,
    }));
    return { items, warnings: [] };
  },
  officialVerdict: strictVerdict,
  official: (judged, seed) => ({ figures: pairFigures(judged, 'strict'), seed }),
});
