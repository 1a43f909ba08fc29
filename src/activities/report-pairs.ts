import { recordsBehind } from '../artifacts/shards.ts';
import { referenceTo, type ArtifactStore } from '../artifacts/store.ts';
import { OUTCOMES, type Outcome, type ReportExample, type ReportPair } from '../report/report-data.ts';
import { GIVEN } from '../judge/mix-sources.ts';
import type { Side } from '../judge/verdict.ts';
import { judgedPairs, type TrainingExample } from './filter-judgments.ts';
import type { GeneratedPair } from './generate-pairs.ts';
import type { CategorizedInstruction } from './categorize-instructions.ts';
import type { Judgment } from './judge-pairs.ts';
import { runUris } from './open-run.ts';
import type { PreferenceExample } from './preference-set.ts';

/** How much of a run's judgments its report carries: the page stays below 25 MB, and opens at once. */
export const REPORT_LIMITS = {
  /** Pairs in one order, of all iterations together. */
  examples: 20_000,
  /** UTF-8 of all texts; a half to a quarter of it is left in the page. */
  bytes: 36_000_000,
  /** Code units of one text. */
  text: 8_000,
};

/** What the report needs to know of a run to choose what it shows of its judgments. */
export interface PairsToRead {
  readonly run: string;
  /** Those that have been trained. */
  readonly iterations: readonly number[];
  /** That there will be: each has its share of the limits from the start, so that its sample stays as the run goes on. */
  readonly planned: number;
}

/**
 * A sample of the run's pairs to read, with one judgment of each outcome for each iteration and order. From the first
 * shards: ids are hashes, so it is a sample like any other, and every iteration judges the same pairs. Human pairs
 * stand in the last shards, so where there are any it takes from both ends.
 */
export async function pairsToRead(
  store: ArtifactStore,
  { run, iterations, planned }: PairsToRead,
  limits: typeof REPORT_LIMITS = REPORT_LIMITS,
): Promise<ReportPair[]> {
  const found = new Map<string, ReportPair>();
  const withHuman = await store.manifest(`${runUris.judgedPairs(run)}/index`);
  const pairs = withHuman ?? (await store.manifest(`${runUris.pairs(run)}/index`));
  if (pairs === undefined) return [];
  for (const iteration of iterations) {
    const judgments = await store.manifest(`${runUris.judgments(run, iteration)}/index`);
    const taught = await taughtBy(store, run, iteration);
    if (judgments === undefined || taught === undefined) continue;
    let examples = limits.examples / planned;
    let bytes = limits.bytes / planned;
    const all = judgedPairs<GeneratedPair>(
      { store },
      { pairs, judgments },
      withHuman === undefined ? undefined : fromBothEnds,
    );
    for await (const { pair, orders } of all) {
      if (examples < orders.length || bytes <= 0) break;
      const shown = found.get(pair.id) ?? pairOf(pair, limits.text, runUris.pairs(run));
      if (!found.has(pair.id)) bytes -= size([shown.instruction, shown.better, shown.worse]);
      found.set(pair.id, shown);
      for (const { example, judgments: drawn } of orders) {
        const place = runUris.judgments(run, iteration);
        const one = exampleOf(iteration, example.betterSide, drawn, taught, (text, id) =>
          cut(text, limits.text, `${id} in ${place}`),
        );
        examples -= 1;
        bytes -= size(one.judgments.map(({ text }) => text));
        shown.examples.push(one);
      }
    }
  }
  await addCategories(store, run, found);
  return [...found.values()];
}

interface Taught {
  readonly kept: ReadonlySet<string>;
  readonly rejected: ReadonlySet<string>;
}

/** The judgments that an iteration's training set has, by id. */
async function taughtBy(store: ArtifactStore, run: string, iteration: number): Promise<Taught | undefined> {
  const manifest = await store.manifest(runUris.trainingSet(run, iteration));
  if (manifest === undefined) return undefined;
  const rows = await store.records<TrainingExample | PreferenceExample>(referenceTo(manifest));
  return {
    kept: new Set(rows.map((row) => ('chosen' in row ? row.judgments.chosen : row.id))),
    rejected: new Set(rows.flatMap((row) => ('chosen' in row ? [row.judgments.rejected] : []))),
  };
}

function pairOf(pair: GeneratedPair, longest: number, place: string): ReportPair {
  const { id, similarInstruction } = pair;
  const whole = (text: string) => cut(text, longest, `${id} in ${place}`);
  return {
    id,
    instruction: whole(pair.instruction),
    better: whole(pair.better),
    worse: whole(pair.worse),
    ...(similarInstruction === undefined ? {} : { similarInstruction: whole(similarInstruction) }),
    ...categoryOf(pair),
    examples: [],
  };
}

/** Of a pair that the run has not made: what its file says of it. */
function categoryOf({ source, subset }: GeneratedPair): { category?: string } {
  if (source === undefined) return {};
  if (source === GIVEN) return { category: subset ?? GIVEN };
  return { category: `human: ${source}` };
}

function exampleOf(
  iteration: number,
  better: Side,
  judgments: readonly Judgment[],
  taught: Taught,
  shown: (text: string, id: string) => string,
): ReportExample {
  const byOutcome = new Map<Outcome, Judgment>();
  for (const judgment of judgments) {
    const outcome = outcomeOf(judgment, better, taught);
    if (!byOutcome.has(outcome)) byOutcome.set(outcome, judgment);
  }
  return {
    iteration,
    better,
    judgments: OUTCOMES.flatMap((outcome) => {
      const judgment = byOutcome.get(outcome);
      if (judgment === undefined) return [];
      return [{ outcome, verdict: judgment.verdict, text: shown(judgment.text, judgment.id) }];
    }),
  };
}

function outcomeOf({ id, right, verdict }: Judgment, better: Side, { kept, rejected }: Taught): Outcome {
  if (kept.has(id)) return 'kept';
  if (rejected.has(id)) return 'rejected';
  if (right) return 'right, not kept';
  if (verdict === 'none') return 'no verdict';
  return verdict === better ? 'cut off' : 'wrong';
}

/** What an LLM said that the instructions are. They are sorted as the pairs are, so the end is seldom reached. */
async function addCategories(
  store: ArtifactStore,
  run: string,
  pairs: ReadonlyMap<string, ReportPair>,
): Promise<void> {
  const index = await store.manifest(`${runUris.categories(run)}/index`);
  let missing = [...pairs.values()].filter(({ category }) => category === undefined).length;
  if (index === undefined || missing === 0) return;
  for await (const { id, category } of recordsBehind<CategorizedInstruction>(store, referenceTo(index))) {
    const pair = pairs.get(id);
    if (pair === undefined) continue;
    if (typeof category === 'string') pair.category = category;
    missing -= 1;
    if (missing === 0) return;
  }
}

/** A text of any length; where it was too long, how much is missing, and where the whole stands in the store. */
function cut(text: string, longest: number, place: string): string {
  if (text.length <= longest) return text;
  const more = (text.length - longest).toLocaleString('en-US');
  return `${text.slice(0, longest)}\n\n[… ${more} more characters: ${place}]`;
}

function size(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** The first, the last, the second, the last but one, ... */
function fromBothEnds(all: number[]): number[] {
  return all.map((_, place) => (place % 2 === 0 ? place / 2 : all.length - (place + 1) / 2));
}
