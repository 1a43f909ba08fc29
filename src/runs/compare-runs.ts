/** Two judges of any runs and evaluations of a store, on every benchmark that both were asked about. */
import { OUTCOMES_FILE } from '../activities/score-benchmark.ts';
import { runUris } from '../activities/open-run.ts';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { differingFields, type Difference } from '../artifacts/errors.ts';
import type { Manifest } from '../artifacts/reference.ts';
import { recordsBehind } from '../artifacts/shards.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { BenchmarkItem, ItemOutcome } from '../benchmarks/benchmark.ts';
import { compareJudges, type JudgeComparison } from '../benchmarks/compare.ts';
import type { EvaluationSummary, IterationSummary } from '../contract/result.ts';
import { hashOf } from '../judge/seeds.ts';
import { configurationDifference, type ConfigurationDifference } from './configuration-difference.ts';
import type { StoredEvaluating } from './stored-run.ts';

/** A judge of a run: its row, and the run that it stands in. */
export interface JudgeOfRun {
  readonly run: StoredEvaluating;
  readonly judge: IterationSummary;
}

export interface RunComparison {
  readonly first: { readonly runName: string; readonly iteration: number };
  readonly second: { readonly runName: string; readonly iteration: number };
  /** Undefined where one of them has none in the store. */
  readonly configuration?: ConfigurationDifference | undefined;
  readonly benchmarks: readonly SharedBenchmark[];
  /** Benchmarks that only one of them was evaluated on. */
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
}

export interface SharedBenchmark {
  /** What each calls it. */
  readonly first: string;
  readonly second: string;
  /** How both were asked about it, where that differs: prompt, sampling, votes. */
  readonly askedDifferently: readonly Difference[];
  readonly items: {
    readonly first: number;
    readonly second: number;
    /** With the same content, whatever their rows: those that are compared. */
    readonly common: number;
    /** With the same row and another content: left out. */
    readonly changed: number;
  };
  /** The second judge less the first; undefined where no item is common. */
  readonly comparison?: JudgeComparison | undefined;
  /** Of all items that each was asked about. */
  readonly accuracy: { readonly first: number; readonly second: number };
  readonly positionConsistentAccuracy: { readonly first: number; readonly second: number };
}

/**
 * Items are paired by their content; the intervals are a paired bootstrap over items, or over what items share, seeded
 * by the first run's seed.
 * @throws ArtifactDamaged where figures that should be there are not what was recorded
 */
export async function compareRuns(
  store: ArtifactStore,
  first: JudgeOfRun,
  second: JudgeOfRun,
): Promise<RunComparison> {
  const shared = await sharedBenchmarks(store, first, second);
  const benchmarks: SharedBenchmark[] = [];
  for (const [a, b] of shared) benchmarks.push(await compareOn(store, [first, a], [second, b]));
  const names = ({ judge }: JudgeOfRun, mine: readonly EvaluationSummary[]) =>
    judge.evaluations.filter((each) => !mine.includes(each)).map(({ benchmark }) => benchmark);
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

type Evaluated = readonly [JudgeOfRun, EvaluationSummary];

/** Those of one name and format; then, of what is left, those made from the same file under different names. */
async function sharedBenchmarks(
  store: ArtifactStore,
  first: JudgeOfRun,
  second: JudgeOfRun,
): Promise<[EvaluationSummary, EvaluationSummary][]> {
  const identify = async ({ run, judge }: JudgeOfRun) =>
    Promise.all(
      judge.evaluations.map(async (evaluation) => {
        const index = await preparedIndex(store, run.runName, evaluation.benchmark);
        const { format = null, file = null } = index?.fingerprint ?? {};
        return { evaluation, format, file: file === null ? undefined : canonicalJson([format, file]) };
      }),
    );
  const left = await identify(second);
  const pairs: [EvaluationSummary, EvaluationSummary][] = [];
  const take = (mine: EvaluationSummary, isSame: (other: (typeof left)[number]) => boolean): boolean => {
    const found = left.find(isSame);
    if (found === undefined) return false;
    left.splice(left.indexOf(found), 1);
    pairs.push([mine, found.evaluation]);
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
  return store.manifest(`${runUris.benchmark(runName, name)}/index`);
}

async function compareOn(
  store: ArtifactStore,
  [a, ofA]: Evaluated,
  [b, ofB]: Evaluated,
): Promise<SharedBenchmark> {
  const [outcomesA, outcomesB] = await Promise.all(
    [ofA, ofB].map(({ scores }) => store.lines<ItemOutcome>(scores.uri, OUTCOMES_FILE)),
  );
  const pairing = await pairItems(store, [a, ofA], [b, ofB]);
  const paired = (outcomesB ?? []).flatMap((outcome) => pairing.renamed(outcome));
  const others = new Set(paired.map(({ id }) => id));
  const common = (outcomesA ?? []).filter(({ id }) => others.has(id));
  return {
    first: ofA.benchmark,
    second: ofB.benchmark,
    askedDifferently: differingFields(asked(a.run, ofA.benchmark), asked(b.run, ofB.benchmark)),
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
  /** An outcome of the second under the first's id; nothing where the first lacks its item. */
  renamed(outcome: ItemOutcome): ItemOutcome[];
  /** Whether the second has another content in the row of an outcome of the first. */
  isChanged(id: string): boolean;
}

/**
 * Pairs the items of two files by their content: an id is a row's number, as wide as its file needs, and every row behind
 * one that is put in gets another. Of one file, or where the items of one are not there, ids are what they are.
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

/** Of items with the same content each is its own, in their order. */
async function idsByContent(store: ArtifactStore, index: Manifest): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const times = new Map<string, number>();
  for await (const { id, ...content } of recordsBehind<BenchmarkItem>(store, index)) {
    const hash = hashOf(canonicalJson(content));
    const time = times.get(hash) ?? 0;
    times.set(hash, time + 1);
    ids.set(`${hash}/${time}`, id);
  }
  return ids;
}

function withoutWidth(id: string): string {
  return id.replaceAll(/\b0+(?=\d)/g, '');
}

/** An item of several pairs comes out several times, as `<item>/<pair>`. */
function itemOf(outcomeId: string): string {
  return outcomeId.replace(/\/[^/]*$/, '');
}

/** What decides how a judge is asked about a benchmark. */
function asked({ resolved }: StoredEvaluating, name: string): object {
  if (resolved === undefined) return {};
  const { evaluation } = resolved.configuration;
  const benchmark = evaluation.benchmarks.find((each) => each.name === name);
  return {
    sampling: benchmark?.sampling ?? evaluation.sampling,
    votes: evaluation.votes,
    prompt: `text ${hashOf(canonicalJson(resolved.prompts.evaluation[name] ?? null)).slice(0, 8)}`,
  };
}
