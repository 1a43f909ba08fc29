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
import type { StoredRun } from './stored-run.ts';

/** A judge of a run: its row, and the run that it stands in. */
export interface JudgeOfRun {
  readonly run: StoredRun;
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
    /** With the same id and the same content: those that are compared. */
    readonly common: number;
    /** With the same id and another content: left out. */
    readonly changed: number;
  };
  /** The second judge less the first; undefined where no item is common. */
  readonly comparison?: JudgeComparison | undefined;
  /** Of all items that each was asked about. */
  readonly accuracy: { readonly first: number; readonly second: number };
  readonly positionConsistentAccuracy: { readonly first: number; readonly second: number };
}

/**
 * Pairs go by the benchmark's item ids; the intervals are a paired bootstrap over items, or over what items share, seeded
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
  const changed = await changedItems(store, [a, ofA], [b, ofB]);
  const others = new Set(outcomesB?.map(({ id }) => id));
  const inBoth = (outcomesA ?? []).filter(({ id }) => others.has(id));
  const common = inBoth.filter(({ id }) => !isChanged(id, changed));
  return {
    first: ofA.benchmark,
    second: ofB.benchmark,
    askedDifferently: differingFields(asked(a.run, ofA.benchmark), asked(b.run, ofB.benchmark)),
    items: {
      first: outcomesA?.length ?? 0,
      second: outcomesB?.length ?? 0,
      common: common.length,
      changed: inBoth.length - common.length,
    },
    comparison:
      common.length === 0
        ? undefined
        : compareJudges(common, outcomesB ?? [], a.run.resolved?.configuration.seed ?? 0),
    accuracy: { first: ofA.accuracy, second: ofB.accuracy },
    positionConsistentAccuracy: {
      first: ofA.positionConsistentAccuracy,
      second: ofB.positionConsistentAccuracy,
    },
  };
}

/** The ids of items that both have with another content; none where both were made from one file. */
async function changedItems(
  store: ArtifactStore,
  [a, ofA]: Evaluated,
  [b, ofB]: Evaluated,
): Promise<ReadonlySet<string>> {
  const [indexA, indexB] = await Promise.all([
    preparedIndex(store, a.run.runName, ofA.benchmark),
    preparedIndex(store, b.run.runName, ofB.benchmark),
  ]);
  const changed = new Set<string>();
  if (
    indexA === undefined ||
    indexB === undefined ||
    indexA.fingerprint['file'] === indexB.fingerprint['file']
  )
    return changed;
  const hashes = new Map<string, string>();
  for await (const item of recordsBehind<BenchmarkItem>(store, indexA))
    hashes.set(item.id, hashOf(canonicalJson(item)));
  for await (const item of recordsBehind<BenchmarkItem>(store, indexB)) {
    const other = hashes.get(item.id);
    if (other !== undefined && other !== hashOf(canonicalJson(item))) changed.add(item.id);
  }
  return changed;
}

/** An item of several pairs comes out several times, as `<item>/<pair>`. */
function isChanged(outcomeId: string, changed: ReadonlySet<string>): boolean {
  return changed.has(outcomeId) || changed.has(outcomeId.slice(0, outcomeId.lastIndexOf('/')));
}

/** What decides how a judge is asked about a benchmark. */
function asked({ resolved }: StoredRun, name: string): object {
  if (resolved === undefined) return {};
  const { evaluation } = resolved.configuration;
  const benchmark = evaluation.benchmarks.find((each) => each.name === name);
  return {
    sampling: benchmark?.sampling ?? evaluation.sampling,
    votes: evaluation.votes,
    prompt: `text ${hashOf(canonicalJson(resolved.prompts.evaluation[name] ?? null)).slice(0, 8)}`,
  };
}
