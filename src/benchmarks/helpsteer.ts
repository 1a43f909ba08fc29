import { z } from 'zod';
import type { BenchmarkPair } from './benchmark.ts';
import { conversationText, parseFlattenedTurns } from '../method/conversation.ts';
import { pairBenchmark } from './pair-benchmark.ts';
import { pairFigures } from './pair-figures.ts';
import {
  requireItems,
  nonZeroCounts,
  readBenchmarkRows,
  rowCountWarnings,
  rowIds,
  throwIfProblems,
} from './read-benchmark.ts';
import { firstLetterVerdict } from './votes.ts';

/** HelpSteer's papers define no parser, so the letter is parsed as in RewardBench; a missing verdict is incorrect. */
const helpSteerRules = {
  officialVerdict: firstLetterVerdict,
  official: (judged: Parameters<typeof pairFigures>[0], seed: number) => ({
    figures: pairFigures(judged, 'official'),
    seed,
  }),
};

const prompt = z.string().min(1);
const ratedRow = z.object({ prompt, response: z.string(), helpfulness: z.int().min(0).max(4) });

/**
 * HelpSteer2 (arXiv 2406.08673): rows 2k and 2k + 1 answer the same prompt, and the more helpful response is better.
 * Equally helpful pairs are excluded. The scores are the accuracy over both orders and the share correct in both.
 */
export const helpSteer2 = pairBenchmark({
  name: 'helpsteer2',
  ...helpSteerRules,
  async read(path) {
    const { file, rows } = await readBenchmarkRows(path, ratedRow, 'HelpSteer2 validation has 1038');
    const idOf = rowIds(rows.length);
    const items: BenchmarkPair[] = [];
    const problems: string[] = [];
    let equal = 0;
    for (let row = 0; row < rows.length; row += 2) {
      const [first, second] = [rows[row], rows[row + 1]];
      if (first === undefined || first.prompt !== second?.prompt) {
        problems.push(`row ${row}: row ${row + 1} is not another response to the same prompt`);
      } else if (first.helpfulness === second.helpfulness) {
        equal += 1;
      } else {
        const firstIsBetter = first.helpfulness > second.helpfulness;
        items.push({
          id: idOf(row),
          subset: 'helpfulness',
          instruction: conversationText(parseFlattenedTurns(first.prompt)),
          better: firstIsBetter ? first.response : second.response,
          worse: firstIsBetter ? second.response : first.response,
        });
      }
    }
    throwIfProblems(file, problems);
    const counts = { validation: 1038, train: 20_324 };
    const warnings = rowCountWarnings(file, rows.length, 'HelpSteer2', counts);
    return {
      items: requireItems(file, items),
      warnings,
      excluded: nonZeroCounts({ 'equally helpful pairs': equal }),
    };
  },
});

const preferenceRow = z.object({
  split: z.string().optional(),
  prompt,
  response_1: z.string(),
  response_2: z.string(),
  preference_strength: z.int().min(-3).max(3),
});

/** HelpSteer2-Preference (arXiv 2410.01257): one file holds both splits, of which `validation` is the benchmark. */
export const helpSteer2Preference = pairBenchmark({
  name: 'helpsteer2-preference',
  ...helpSteerRules,
  async read(path) {
    const what = 'HelpSteer2 preference has prompt, response_1, response_2, preference_strength';
    const { file, rows } = await readBenchmarkRows(path, preferenceRow, what);
    const validation = rows.filter(({ split }) => split === undefined || split === 'validation');
    const preferences = validation.map((row) => ({
      instruction: conversationText(parseFlattenedTurns(row.prompt)),
      subset: 'preference',
      first: row.response_1,
      second: row.response_2,
      preference: row.preference_strength,
    }));
    const { items, excluded } = preferredPairs(preferences);
    const otherSplits = { 'rows of other splits': rows.length - validation.length };
    return {
      items: requireItems(file, items),
      warnings: [],
      excluded: { ...nonZeroCounts(otherSplits), ...excluded },
    };
  },
});

const contextRow = z.object({
  domain: z.string().min(1),
  language: z.string(),
  context: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
  response1: z.string(),
  response2: z.string(),
  overall_preference: z.int().min(-3).max(3),
});

/** HelpSteer3-Preference (arXiv 2505.11475), with a subset for each domain. Each row has a whole conversation. */
export const helpSteer3 = pairBenchmark({
  name: 'helpsteer3',
  ...helpSteerRules,
  async read(path) {
    const { file, rows } = await readBenchmarkRows(path, contextRow, 'HelpSteer3 validation has 2017');
    const preferences = rows.map((row) => ({
      instruction: conversationText(row.context),
      subset: row.domain,
      first: row.response1,
      second: row.response2,
      preference: row.overall_preference,
    }));
    const { items, excluded } = preferredPairs(preferences);
    const counts = { validation: 2017, train: 38_459 };
    return {
      items: requireItems(file, items),
      warnings: rowCountWarnings(file, rows.length, 'HelpSteer3', counts),
      excluded,
    };
  },
});

interface Preference {
  readonly instruction: string;
  readonly subset: string;
  readonly first: string;
  readonly second: string;
  /** From -3 (the first response is much better) to 3 (the second one is). */
  readonly preference: number;
}

/** The pairs with a preferred response. The ids are row numbers, so that they don't depend on excluded rows. */
function preferredPairs(preferences: readonly Preference[]) {
  const idOf = rowIds(preferences.length);
  const isEmpty = ({ first, second }: Preference) => first.trim() === '' || second.trim() === '';
  const items = preferences.flatMap((item, row): BenchmarkPair[] => {
    const { instruction, subset, first, second, preference } = item;
    if (preference === 0 || isEmpty(item)) return [];
    const [better, worse] = preference > 0 ? [second, first] : [first, second];
    return [{ id: idOf(row), subset, instruction, better, worse }];
  });
  const empty = preferences.filter(isEmpty).length;
  const ties = preferences.length - items.length - empty;
  return { items, excluded: nonZeroCounts({ ties, 'empty responses': empty }) };
}
