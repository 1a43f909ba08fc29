/** Lengths, shares and rates of an earlier run in the store, which an estimate uses instead of defaults. */
import type { StageName } from '../api/stages.ts';
import { findGeneration } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { expectedJudgments } from '../method/expected-judgments.ts';
import { RESULT_FILE } from '../models/training/job.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { isTrainingRun } from '../runs/open-run.ts';
import type { GeneratedPair } from '../runs/records.ts';
import { runUris } from '../runs/run-layout.ts';
import { readStoredRun, storedRunNames } from '../runs/stored-run.ts';
import { storedStages, type StoredStage } from '../runs/stored-stages.ts';
import { isLimited } from '../datasets/limited-pairs.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { toReference, type Counts } from '../store/artifact.ts';
import { sumCounts } from '../platform/sum-counts.ts';
import { ArtifactDamaged } from '../store/errors.ts';
import { shardUri } from '../store/shards.ts';
import type { AssumptionName, Assumptions } from './assumptions.ts';
import type { Rates } from './rates.ts';

export interface EarlierRunFigures {
  readonly runName: string;
  readonly assumptions: Assumptions;
  readonly rates: Rates;
}

/** Only the newest runs of a store are read. */
const MAX_RUNS_READ = 100;

/**
 * The figures of the run with the same name, or else of the newest run, that sends the same requests to the same models.
 * Undefined if no such run has finished a stage.
 */
export async function findEarlierRun(
  store: ArtifactStore,
  configuration: Configuration,
): Promise<EarlierRunFigures | undefined> {
  const others = (await newestRuns(store)).filter((name) => name !== configuration.runName);
  for (const runName of [configuration.runName, ...others]) {
    try {
      const stored = await readStoredRun(store, runName);
      if (stored?.kind !== 'run' || stored.resolved === undefined || !isTrainingRun(stored.resolved))
        continue;
      const earlier = stored.resolved.configuration;
      if (requestInputs(earlier) !== requestInputs(configuration)) continue;
      const finished = await finishedStages(store, earlier);
      const lengths = Object.entries(await lengthsOf(store, earlier, finished)).flatMap(([name, value]) =>
        value === undefined || !Number.isFinite(value) ? [] : [[name, { value, from: 'earlier-run' }]],
      );
      const assumptions = Object.fromEntries(lengths) as Assumptions;
      const rates = ratesOf(finished);
      if (Object.keys({ ...assumptions, ...rates }).length > 0) return { runName, assumptions, rates };
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
    }
  }
  return undefined;
}

/** The settings that decide lengths and rates, without the address of a server, which changes with each start. */
function requestInputs({ models, instructions, pairs, judging }: Configuration): string {
  const categories = instructions?.categories ?? null;
  // A limit on the number of provided pairs doesn't change their lengths.
  const pairInputs = pairs.kind === 'provided' ? { kind: pairs.kind, files: pairs.files } : pairs;
  const checkpoints = Object.entries(models).map(([role, model]) => [role, model?.checkpoint]);
  return canonicalJson({ models: Object.fromEntries(checkpoints), categories, pairs: pairInputs, judging });
}

/** By the time at which they last wrote their state. */
async function newestRuns(store: ArtifactStore): Promise<string[]> {
  const dated = (await storedRunNames(store)).map(async (name) => {
    const state = await store.objects.head(runUris.state(name));
    return { name, at: state?.modifiedAt.getTime() ?? 0 };
  });
  const newestFirst = (await Promise.all(dated)).sort((a, b) => b.at - a.at);
  return newestFirst.slice(0, MAX_RUNS_READ).map(({ name }) => name);
}

interface FinishedStage extends Pick<StoredStage, 'stage' | 'iteration'> {
  readonly counts: Counts;
  /** Since the end of the stage before it, or the running time of a trainer; NaN if the stage before it is missing. */
  readonly seconds: number;
}

/** The stages that have artifacts. The benchmarks of an evaluation run in parallel, so their counts are added up. */
async function finishedStages(store: ArtifactStore, configuration: Configuration): Promise<FinishedStage[]> {
  const finished: FinishedStage[] = [];
  let endOfLast = NaN;
  for (const { stage, iteration, folders } of await storedStages(store, configuration)) {
    if (stage === 'fineTune') {
      const [folder = ''] = folders;
      const training = await readStoredTraining(store, folder);
      if (training === undefined) break;
      const { tokens, seconds } = training;
      finished.push({ stage, iteration, counts: { trainingTokens: tokens }, seconds });
      endOfLast = (await store.objects.head(`${folder}/${RESULT_FILE}`))?.modifiedAt.getTime() ?? NaN;
      continue;
    }
    const uris = stage === 'filterJudgments' ? folders : folders.map((folder) => `${folder}/index`);
    const manifests = await Promise.all(uris.map((uri) => store.readManifest(uri)));
    const artifacts = manifests.filter((manifest) => manifest !== undefined);
    if (artifacts.length === 0) continue;
    const end = Math.max(...artifacts.map(({ createdAt }) => Date.parse(createdAt)));
    const counts = sumCounts(artifacts.map((artifact) => artifact.counts));
    finished.push({ stage, iteration, counts, seconds: (end - endOfLast) / 1000 });
    endOfLast = end;
  }
  return finished;
}

/** The rate of a stage's fastest iteration: slower ones may have waited, or were paused. */
function ratesOf(finished: readonly FinishedStage[]): Rates {
  const rates = new Map<StageName, number>();
  for (const { stage, counts, seconds } of finished) {
    const { promptTokens = 0, completionTokens = 0, trainingTokens = 0 } = counts;
    const rate = (promptTokens + completionTokens + trainingTokens) / seconds;
    if (seconds > 0 && rate > (rates.get(stage) ?? 0)) rates.set(stage, rate);
  }
  const from = 'earlier-run';
  return Object.fromEntries([...rates].map(([stage, rate]) => [stage, { tokensPerSecond: rate, from }]));
}

type Lengths = Partial<Record<AssumptionName, number | undefined>>;

async function lengthsOf(
  store: ArtifactStore,
  configuration: Configuration,
  finished: readonly FinishedStage[],
): Promise<Lengths> {
  const countsOf = (stages: readonly StageName[], isWanted = (_iteration: number) => true) =>
    sumCounts(
      finished
        .filter(({ stage, iteration }) => stages.includes(stage) && isWanted(iteration))
        .map(({ counts }) => counts),
    );
  const judging = ['judgePairs', 'filterJudgments'] as const;
  const first = countsOf(judging, (iteration) => iteration === 1);
  const later = countsOf(judging, (iteration) => iteration > 1);
  return {
    ...categoryLengths(configuration, countsOf(['categorizeInstructions'])),
    ...(await pairLengths(store, configuration, countsOf(['selectInstructions', 'generatePairs']))),
    planTokens: share(countsOf(['planJudgments']), 'completionTokens', 'plans'),
    judgmentTokens: share(
      { ...first, judgments: (first['judgments'] ?? 0) + (first['taskJudgments'] ?? 0) },
      'completionTokens',
      'judgments',
    ),
    correctShare: correctShareOf(configuration, first),
    laterCorrectShare: correctShareOf(configuration, later),
    verdictTokens: share(countsOf(['evaluateJudge']), 'completionTokens', 'judgments'),
  };
}

/**
 * The share of judgments that are correct. If sampling stops at a correct judgment, difficult examples have the most
 * judgments, and the share of correct ones is biased. Then it is the share that leads to the observed number of judgments
 * per example, found by bisection.
 */
function correctShareOf({ judging, filtering }: Configuration, counts: Counts): number | undefined {
  const { strategy } = judging;
  if (strategy.kind === 'all' || strategy.also !== undefined)
    return share(counts, 'correctJudgments', 'judgments');
  const perExample = share(counts, 'judgments', 'examples');
  if (perExample === undefined) return undefined;
  const plan = { ...judging, judgmentsPerExample: filtering.judgmentsPerExample };
  let [low, high] = [0, 1];
  for (let step = 0; step < 30; step += 1) {
    const middle = (low + high) / 2;
    if (expectedJudgments(plan, middle).judgments > perExample) low = middle;
    else high = middle;
  }
  return low;
}

function categoryLengths(configuration: Configuration, counts: Counts): Lengths {
  const { categories = null, complexity } = findGeneration(configuration)?.instructions ?? {};
  if (categories === null || complexity !== null) return {};
  const countOf = (names: readonly string[]) =>
    names.reduce((total, name) => total + (counts[`category: ${name}`] ?? 0), 0);
  const all = countOf([...categories.names, 'none']);
  return {
    keptShare: countOf(categories.keep) / all,
    categoryTokens: (counts['completionTokens'] ?? 0) / all,
  };
}

/** The end of an answer is a token without text; it counts as this many characters. */
const END_CHARACTERS = 4;

/** The store has one count of tokens for responses and similar instructions: it is divided by the lengths of their texts. */
async function pairLengths(
  store: ArtifactStore,
  configuration: Configuration,
  { selected = 0, pairs = 0, completionTokens = 0, 'with a limit': limited = 0 }: Counts,
): Promise<Lengths> {
  const shard = await store.readManifest(shardUri(runUris.pairs(configuration.runName), 0));
  const generation = findGeneration(configuration);
  if (shard === undefined || generation === undefined || completionTokens === 0) return {};
  const all = await store.readRecords<GeneratedPair>(toReference(shard));
  const records = all.filter((pair) => !isLimited(pair));
  const sizes = (text: (pair: GeneratedPair) => string | undefined) =>
    records.reduce((total, pair) => total + (text(pair)?.length ?? 0) + END_CHARACTERS, 0);
  const responses = sizes(({ better }) => better) + sizes(({ worse }) => worse);
  const hasSimilar = generation.pairs.construction === 'similar-instruction';
  const similar = hasSimilar ? sizes((pair) => pair.similarInstruction) : 0;
  const drawn = generation.pairs.limits.reduce((sum, { share: ofPairs }) => sum + ofPairs, 0);
  const perCharacter = completionTokens / selected / (responses + similar);
  return {
    pairShare: (pairs - limited) / selected,
    ...(drawn === 0 ? {} : { limitableShare: limited / (2 * drawn * (pairs - limited)) }),
    responseTokens: (perCharacter * responses) / 2,
    similarTokens: hasSimilar ? perCharacter * similar : undefined,
  };
}

function share(counts: Counts, part: string, whole: string): number | undefined {
  const total = counts[whole] ?? 0;
  return total === 0 ? undefined : (counts[part] ?? 0) / total;
}
