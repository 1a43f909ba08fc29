/** Compares two judges, of any runs and evaluations of a store, on every benchmark on which both were evaluated. */
import { runUris } from './run-layout.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { fieldDifferences, type FieldDifference } from '../platform/field-differences.ts';
import type { Manifest } from '../store/artifact.ts';
import { readShardedRecords } from '../store/shards.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { BenchmarkItem, ItemOutcome } from '../benchmarks/benchmark.ts';
import { compareJudges, type JudgeComparison } from '../benchmarks/compare-judges.ts';
import { marksFingerprintInputs } from '../config/reasoning.ts';
import type { EvaluationSummary, IterationSummary } from '../api/result.ts';
import { samplingFingerprintInputs } from '../config/benchmark-sampling.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { configurationDifference, type ConfigurationDifference } from './configuration-difference.ts';
import type { StoredEvaluatedRun } from './stored-run.ts';
import { benchmarkPromptsHash } from './benchmark-prompts.ts';
import { OUTCOMES_FILE } from './benchmark-scores.ts';

/** A judge with the run to which it belongs. */
export interface EvaluatedJudge {
  readonly run: Pick<StoredEvaluatedRun, 'runName' | 'resolved'>;
  readonly judge: IterationSummary;
}

export interface RunComparison {
  readonly first: { readonly runName: string; readonly iteration: number };
  readonly second: { readonly runName: string; readonly iteration: number };
  /** Undefined if one of the runs has no configuration in the store. */
  readonly configuration?: ConfigurationDifference | undefined;
  readonly benchmarks: readonly SharedBenchmark[];
  /** Benchmarks on which only one of them was evaluated. */
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
}

export interface SharedBenchmark {
  /** The benchmark's name in each of the two configurations. */
  readonly first: string;
  readonly second: string;
  /** The differences in how both were evaluated: prompt, sampling, votes. */
  readonly evaluationDifferences: readonly FieldDifference[];
  readonly items: {
    readonly first: number;
    readonly second: number;
    /** Number of compared items: those with the same content, in any row. */
    readonly common: number;
    /** Number of items with the same row but different content, which are left out. */
    readonly changed: number;
  };
  /** The second judge minus the first; undefined if they have no common item. */
  readonly comparison?: JudgeComparison | undefined;
  /** The accuracy of each judge over all of its items. */
  readonly accuracy: { readonly first: number; readonly second: number };
  readonly positionConsistentAccuracy: { readonly first: number; readonly second: number };
}

/**
 * Compares two judges. Items are paired by their content. The intervals are from a paired bootstrap over items, or
 * over their clusters, with the first run's seed.
 * @throws ArtifactDamaged if stored figures are missing or differ from their recorded hash
 */
export async function compareRuns(
  store: ArtifactStore,
  first: EvaluatedJudge,
  second: EvaluatedJudge,
): Promise<RunComparison> {
  const shared = await sharedBenchmarks(store, first, second);
  const benchmarks: SharedBenchmark[] = [];
  for (const [a, b] of shared) benchmarks.push(await compareOn(store, [first, a], [second, b]));
  const names = ({ judge }: EvaluatedJudge, compared: readonly EvaluationSummary[]) =>
    judge.evaluations.filter((each) => !compared.includes(each)).map(({ benchmark }) => benchmark);
  const { resolved: a } = first.run;
  const { resolved: b } = second.run;
  return {
    first: { runName: first.run.runName, iteration: first.judge.iteration },
    second: { runName: second.run.runName, iteration: second.judge.iteration },
    configuration: a && b && configurationDifference(a, b),
    benchmarks,
    onlyFirst: names(
      first,
      shared.map(([each]) => each),
    ),
    onlySecond: names(
      second,
      shared.map(([, each]) => each),
    ),
  };
}

type Evaluated = readonly [EvaluatedJudge, EvaluationSummary];

/**
 * Pairs benchmarks of the same name and format; then, among the remaining ones, those from the same file under
 * different names.
 */
async function sharedBenchmarks(
  store: ArtifactStore,
  first: EvaluatedJudge,
  second: EvaluatedJudge,
): Promise<[EvaluationSummary, EvaluationSummary][]> {
  const identify = async ({ run, judge }: EvaluatedJudge) =>
    Promise.all(
      judge.evaluations.map(async (evaluation) => {
        const index = await preparedIndex(store, run.runName, evaluation.benchmark);
        const { format = null, file = null } = index?.fingerprint ?? {};
        return { evaluation, format, file: file === null ? undefined : canonicalJson([format, file]) };
      }),
    );
  const unmatched = await identify(second);
  const pairs: [EvaluationSummary, EvaluationSummary][] = [];
  const take = (
    evaluation: EvaluationSummary,
    isSame: (other: (typeof unmatched)[number]) => boolean,
  ): boolean => {
    const match = unmatched.find(isSame);
    if (match === undefined) return false;
    unmatched.splice(unmatched.indexOf(match), 1);
    pairs.push([evaluation, match.evaluation]);
    return true;
  };
  const unnamed = (await identify(first)).filter(
    ({ evaluation, format }) =>
      !take(
        evaluation,
        (other) => other.evaluation.benchmark === evaluation.benchmark && other.format === format,
      ),
  );
  for (const { evaluation, file } of unnamed)
    if (file !== undefined) take(evaluation, (other) => other.file === file);
  return pairs;
}

function preparedIndex(store: ArtifactStore, runName: string, name: string): Promise<Manifest | undefined> {
  return store.readManifest(`${runUris.benchmark(runName, name)}/index`);
}

async function compareOn(
  store: ArtifactStore,
  [a, ofA]: Evaluated,
  [b, ofB]: Evaluated,
): Promise<SharedBenchmark> {
  const [outcomesA, outcomesB] = await Promise.all(
    [ofA, ofB].map(({ scores }) => store.readLines<ItemOutcome>(scores.uri, OUTCOMES_FILE)),
  );
  const pairing = await pairItems(store, [a, ofA], [b, ofB]);
  const paired = (outcomesB ?? []).flatMap((outcome) => pairing.renamed(outcome));
  const others = new Set(paired.map(({ id }) => id));
  const common = (outcomesA ?? []).filter(({ id }) => others.has(id));
  return {
    first: ofA.benchmark,
    second: ofB.benchmark,
    evaluationDifferences: fieldDifferences(
      evaluationSettings(a.run, ofA.benchmark),
      evaluationSettings(b.run, ofB.benchmark),
    ),
    items: {
      first: outcomesA?.length ?? 0,
      second: outcomesB?.length ?? 0,
      common: common.length,
      changed: (outcomesA ?? []).filter(({ id }) => pairing.isChanged(id)).length,
    },
    comparison:
      common.length === 0
        ? undefined
        : compareJudges(common, paired, a.run.resolved?.configuration.seed ?? 0),
    accuracy: { first: ofA.accuracy, second: ofB.accuracy },
    positionConsistentAccuracy: {
      first: ofA.positionConsistentAccuracy,
      second: ofB.positionConsistentAccuracy,
    },
  };
}

interface Pairing {
  /** Returns an outcome of the second judge under the first one's id; empty if the first one lacks the item. */
  renamed(outcome: ItemOutcome): ItemOutcome[];
  /** Returns whether the second file has other content than the first in the row of this outcome. */
  isChanged(id: string): boolean;
}

/**
 * Pairs the items of two files by their content. Ids can't be compared, because they are padded row numbers: an
 * inserted row changes all ids after it. If both files are the same, or the items of one are not stored, ids are
 * compared.
 */
async function pairItems(store: ArtifactStore, [a, ofA]: Evaluated, [b, ofB]: Evaluated): Promise<Pairing> {
  const [indexA, indexB] = await Promise.all([
    preparedIndex(store, a.run.runName, ofA.benchmark),
    preparedIndex(store, b.run.runName, ofB.benchmark),
  ]);
  if (
    indexA === undefined ||
    indexB === undefined ||
    indexA.fingerprint['file'] === indexB.fingerprint['file']
  )
    return { renamed: (outcome) => [outcome], isChanged: () => false };
  const itemsA = await idsByContent(store, indexA);
  const itemsB = await idsByContent(store, indexB);
  const names = new Map<string, string>();
  for (const [content, id] of itemsB) {
    const name = itemsA.get(content);
    if (name !== undefined) names.set(id, name);
  }
  const lone = (items: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>) =>
    [...items].filter(([content]) => !others.has(content)).map(([, id]) => id);
  const rows = new Set(lone(itemsB, itemsA).map(withoutWidth));
  const changed = new Set(lone(itemsA, itemsB).filter((id) => rows.has(withoutWidth(id))));
  return {
    renamed(outcome) {
      const item = names.has(outcome.id) ? outcome.id : itemOf(outcome.id);
      const name = names.get(item);
      return name === undefined ? [] : [{ ...outcome, id: name + outcome.id.slice(item.length) }];
    },
    isChanged: (id) => changed.has(id) || changed.has(itemOf(id)),
  };
}

/** Several items with the same content are paired in their order. */
async function idsByContent(store: ArtifactStore, index: Manifest): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const times = new Map<string, number>();
  for await (const { id, ...content } of readShardedRecords<BenchmarkItem>(store, index)) {
    const hash = stableHash(canonicalJson(content));
    const time = times.get(hash) ?? 0;
    times.set(hash, time + 1);
    ids.set(`${hash}/${time}`, id);
  }
  return ids;
}

function withoutWidth(id: string): string {
  return id.replaceAll(/\b0+(?=\d)/g, '');
}

/** An item with several pairs has several outcomes, with ids `<item>/<pair>`. */
function itemOf(outcomeId: string): string {
  return outcomeId.replace(/\/[^/]*$/, '');
}

/** Everything that determines how a judge is evaluated on a benchmark. */
function evaluationSettings({ resolved }: EvaluatedJudge['run'], name: string): object {
  if (resolved === undefined) return {};
  const { evaluation } = resolved.configuration;
  const benchmark = evaluation.benchmarks.find((each) => each.name === name);
  return {
    sampling: benchmark === undefined ? null : samplingFingerprintInputs(evaluation, benchmark),
    votes: evaluation.votes,
    prompt: `text ${benchmarkPromptsHash(resolved.prompts.evaluation, name).slice(0, 8)}`,
    ...marksFingerprintInputs(resolved.configuration),
  };
}
