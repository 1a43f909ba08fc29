import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { BenchmarkJudgment } from '../../src/benchmarks/benchmark.ts';
import { judgeBench } from '../../src/benchmarks/judge-bench.ts';
import { percentOf, readPublished, type Verification, type VerifiedFigure } from './verification.ts';

const judgmentSchema = z.object({
  judgment: z.object({ response: z.string() }),
  decision: z.string().nullable(),
});
const rowSchema = z.object({
  source: z.string(),
  label: z.enum(['A>B', 'B>A']),
  judgments: z.tuple([judgmentSchema.nullable(), judgmentSchema.nullable()]),
});
type Row = z.infer<typeof rowSchema>;

/** The sections of our figures, by the beginning of a source's name. */
const SECTIONS: Readonly<Record<string, string>> = {
  'mmlu-pro': 'Knowledge',
  'livebench-reasoning': 'Reasoning',
  'livebench-math': 'Math',
  livecodebench: 'Coding',
};

/** JudgeBench publishes the texts and the decisions of each judge, in both orders. */
export async function verifyJudgeBench(folder: string): Promise<Verification | undefined> {
  const [data, outputs] = [join(folder, 'data'), join(folder, 'outputs')];
  if (!existsSync(join(folder, 'utils/judges.py')) || !existsSync(data)) return undefined;
  const figures: VerifiedFigure[] = [];
  const verdicts = { compared: 0, different: 0 };
  const warnings: string[] = [];
  let rows = 0;
  for (const name of (await readdir(data)).filter((file) => file.endsWith('.jsonl')).sort()) {
    const file = await judgeBench.read(join(data, name));
    rows += file.items.length;
    warnings.push(...file.warnings);
  }
  const names = existsSync(outputs) ? (await readdir(outputs)).sort() : [];
  for (const name of names.filter((file) => file.includes('judge_name=arena_hard,'))) {
    const file = join(outputs, name);
    const published = await readPublished(file, z.array(rowSchema), jsonLines);
    const { items } = await judgeBench.read(file);
    const judgments = published.flatMap((row, index) => judgmentsOf(items[index]?.id ?? '', row));
    const { official } = judgeBench.score(items, judgments, { seed: 1 });
    const judge = `${field(name, 'judge_model')} on ${field(name, 'response_model')}`;
    figures.push(
      {
        name: `${judge}: all`,
        published: percentCorrect(published),
        ours: percentOf(official.figures, 'overall, by the sum of both orders'),
      },
      ...Object.entries(SECTIONS).flatMap(([start, section]) => {
        const ofSection = published.filter(({ source }) => source.startsWith(start));
        if (ofSection.length === 0) return [];
        const ours = percentOf(official.figures, `${section}, by the sum of both orders`);
        return [{ name: `${judge}: ${section}`, published: percentCorrect(ofSection), ours }];
      }),
    );
    for (const judgment of published.flatMap((row) => row.judgments)) {
      if (judgment === null) continue;
      verdicts.compared += 1;
      const verdict = judgeBench.officialVerdict(judgment.judgment.response);
      if (verdict !== sideOf(judgment.decision)) verdicts.different += 1;
    }
  }
  return { repository: 'ScalerLab/JudgeBench', folder, rows, warnings, figures, verdicts };
}

/** The first judgment saw the responses as they are in the row, the second one exchanged. */
function judgmentsOf(item: string, { label, judgments }: Row): BenchmarkJudgment[] {
  const slots = label === 'A>B' ? ['better-first', 'worse-first'] : ['worse-first', 'better-first'];
  return judgments.flatMap((judgment, index) =>
    judgment === null ? [] : [{ item, slot: slots[index] ?? '', texts: [judgment.judgment.response] }],
  );
}

/** The official metric from the published decisions: +1 for the label, -1 for its opposite, and correct above 0. */
function percentCorrect(rows: readonly Row[]): number {
  const opposite = { 'A>B': 'B>A', 'B>A': 'A>B' };
  const correct = rows.filter(({ label, judgments: [first, second] }) => {
    const decisions = [first?.decision, flipped(second?.decision)];
    const points = decisions.map((one) => (one === label ? 1 : one === opposite[label] ? -1 : 0));
    return points.reduce((sum: number, point) => sum + point, 0) > 0;
  });
  return (100 * correct.length) / rows.length;
}

function flipped(decision: string | null | undefined): string | null | undefined {
  if (decision === 'A>B') return 'B>A';
  return decision === 'B>A' ? 'A>B' : decision;
}

function sideOf(decision: string | null): 'A' | 'B' | 'tie' | undefined {
  if (decision === null) return undefined;
  if (decision === 'A>B') return 'A';
  return decision === 'B>A' ? 'B' : 'tie';
}

function field(name: string, key: string): string {
  return new RegExp(`${key}=([^,]+?)(?:\\.jsonl)?(?:,|$)`).exec(name)?.[1] ?? name;
}

function jsonLines(text: string): unknown[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown);
}
