import { readShardedRecords } from '../store/shards.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { toReference } from '../store/artifact.ts';
import {
  JUDGMENT_OUTCOMES,
  type JudgmentOutcome,
  type ReportExample,
  type ReportPair,
} from './report-data.ts';
import { PROVIDED } from '../method/mix-sources.ts';
import { wholeText } from '../method/reasoning.ts';
import type { TrainingRecord } from '../models/training/recipes/recipe.ts';
import type { Side } from '../method/verdict.ts';
import { runUris } from '../runs/run-layout.ts';
import { judgmentsOfIteration, partOfRun } from '../config/fine-tuning.ts';
import { plannedText } from '../method/plans.ts';
import { readJudgedPairs } from '../runs/judged-pairs.ts';
import type { CategorizedInstruction, GeneratedPair, Judgment } from '../runs/records.ts';

/** Limits of the judgments in a report, so that the page stays below 25 MB and opens quickly. */
export const REPORT_LIMITS = {
  /** Number of examples of all iterations together. */
  examples: 20_000,
  /** UTF-8 bytes of all texts; compressed in the page to a half or a quarter. */
  bytes: 36_000_000,
  /** UTF-16 code units of one text. */
  text: 8_000,
};

/** The run and iterations to sample from. */
export interface SampleScope {
  readonly run: string;
  /** The trained iterations. */
  readonly iterations: readonly number[];
  /** The planned number of iterations. Each has an equal share of the limits, so that its sample doesn't change later. */
  readonly planned: number;
  /** What the run judges in each iteration. */
  readonly configuration: Parameters<typeof partOfRun>[0];
}

/**
 * Samples pairs of a run, with one judgment of each outcome for each iteration and order. Takes the first shards: because
 * ids are hashes, they are a random sample, and every iteration judges the same pairs, or another part of them. Pairs of human preferences are in
 * the last shards, so if there are any, the sample is from both ends.
 */
export async function sampleJudgedPairs(
  store: ArtifactStore,
  { run, iterations, planned, configuration }: SampleScope,
  limits: typeof REPORT_LIMITS = REPORT_LIMITS,
): Promise<ReportPair[]> {
  const sampled = new Map<string, ReportPair>();
  const withHuman = await store.readManifest(`${runUris.judgedPairs(run)}/index`);
  const pairs = withHuman ?? (await store.readManifest(`${runUris.pairs(run)}/index`));
  if (pairs === undefined) return [];
  for (const iteration of iterations) {
    const place = runUris.judgments(run, judgmentsOfIteration(configuration.fineTuning, iteration));
    const judgments = await store.readManifest(`${place}/index`);
    const trained = await trainedJudgments(store, run, iteration);
    if (judgments === undefined || trained === undefined) continue;
    let examples = limits.examples / planned;
    let bytes = limits.bytes / planned;
    const all = readJudgedPairs<GeneratedPair>(
      store,
      { pairs, judgments, part: partOfRun(configuration, iteration) },
      withHuman === undefined ? undefined : fromBothEnds,
    );
    for await (const { pair, orders } of all) {
      if (examples < orders.length || bytes <= 0) break;
      const shown = sampled.get(pair.id) ?? pairOf(pair, limits.text, runUris.pairs(run));
      if (!sampled.has(pair.id)) bytes -= size([shown.instruction, shown.better, shown.worse]);
      sampled.set(pair.id, shown);
      for (const { example, judgments: drawn } of orders) {
        const reportExample = exampleOf(iteration, example.betterSide, drawn, trained, (text, id) =>
          truncate(text, limits.text, `${id} in ${place}`),
        );
        examples -= 1;
        bytes -= size(reportExample.judgments.map(({ text }) => text));
        shown.examples.push(reportExample);
      }
    }
  }
  await addCategories(store, run, sampled);
  return [...sampled.values()];
}

interface TrainedJudgments {
  readonly kept: ReadonlySet<string>;
  readonly rejected: ReadonlySet<string>;
}

/** The ids of the judgments in an iteration's training set. */
async function trainedJudgments(
  store: ArtifactStore,
  run: string,
  iteration: number,
): Promise<TrainedJudgments | undefined> {
  const manifest = await store.readManifest(runUris.trainingSet(run, iteration));
  if (manifest === undefined) return undefined;
  const rows = await store.readRecords<TrainingRecord>(toReference(manifest));
  return {
    kept: new Set(rows.flatMap(({ judgments }) => judgments.kept)),
    rejected: new Set(rows.flatMap(({ judgments }) => judgments.rejected)),
  };
}

function pairOf(pair: GeneratedPair, longest: number, place: string): ReportPair {
  const { id, similarInstruction } = pair;
  const truncated = (text: string) => truncate(text, longest, `${id} in ${place}`);
  return {
    id,
    instruction: truncated(pair.instruction),
    better: truncated(pair.better),
    worse: truncated(pair.worse),
    ...(similarInstruction === undefined ? {} : { similarInstruction: truncated(similarInstruction) }),
    ...categoryOf(pair),
    examples: [],
  };
}

/** The category of a pair from a file, from its source or subset. */
function categoryOf({ source, subset }: GeneratedPair): { category?: string } {
  if (source === undefined) return {};
  if (source === PROVIDED) return { category: subset ?? PROVIDED };
  return { category: `human: ${source}` };
}

function exampleOf(
  iteration: number,
  better: Side,
  judgments: readonly Judgment[],
  trained: TrainedJudgments,
  truncateText: (text: string, id: string) => string,
): ReportExample {
  const byOutcome = new Map<JudgmentOutcome, Judgment>();
  for (const judgment of judgments) {
    const outcome = outcomeOf(judgment, better, trained);
    if (!byOutcome.has(outcome)) byOutcome.set(outcome, judgment);
  }
  return {
    iteration,
    better,
    judgments: JUDGMENT_OUTCOMES.flatMap((outcome) => {
      const judgment = byOutcome.get(outcome);
      if (judgment === undefined) return [];
      const text = plannedText(judgment.plan?.text, wholeText(judgment));
      return [{ outcome, verdict: judgment.verdict, text: truncateText(text, judgment.id) }];
    }),
  };
}

function outcomeOf(
  { id, correct, verdict }: Judgment,
  better: Side,
  { kept, rejected }: TrainedJudgments,
): JudgmentOutcome {
  if (kept.has(id)) return 'kept';
  if (rejected.has(id)) return 'rejected';
  if (correct) return 'correct, not kept';
  if (verdict === 'none') return 'no verdict';
  return verdict === better ? 'truncated' : 'incorrect';
}

/** Adds the instructions' categories according to an LLM. They are sorted like the pairs, so reading stops early. */
async function addCategories(
  store: ArtifactStore,
  run: string,
  pairs: ReadonlyMap<string, ReportPair>,
): Promise<void> {
  const index = await store.readManifest(`${runUris.categories(run)}/index`);
  let missing = [...pairs.values()].filter(({ category }) => category === undefined).length;
  if (index === undefined || missing === 0) return;
  for await (const { id, category } of readShardedRecords<CategorizedInstruction>(
    store,
    toReference(index),
  )) {
    const pair = pairs.get(id);
    if (pair === undefined) continue;
    if (typeof category === 'string') pair.category = category;
    missing -= 1;
    if (missing === 0) return;
  }
}

/** Truncates a long text and adds how much is missing and where the store has the complete text. */
function truncate(text: string, longest: number, place: string): string {
  if (text.length <= longest) return text;
  const more = (text.length - longest).toLocaleString('en-US');
  return `${text.slice(0, longest)}\n\n[… ${more} more characters: ${place}]`;
}

function size(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** Reorders a list: the first, the last, the second, the second to last, and so on. */
function fromBothEnds(all: number[]): number[] {
  return all.map((_, index) => (index % 2 === 0 ? index / 2 : all.length - (index + 1) / 2));
}
