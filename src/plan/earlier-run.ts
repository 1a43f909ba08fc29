/** What an earlier run of the store took: lengths, shares and rates that a plan need not assume. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import type { Counts, Manifest } from '../artifacts/reference.ts';
import { shardUri, sumCounts } from '../artifacts/shards.ts';
import { referenceTo, type ArtifactStore } from '../artifacts/store.ts';
import { generationIn } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import type { GeneratedPair } from '../activities/generate-pairs.ts';
import { runUris, type ResolvedConfiguration } from '../activities/open-run.ts';
import { readResult } from '../training/model-damage.ts';
import type { AssumptionName, Assumptions } from './assumptions.ts';
import { expectedJudgments } from './expected-judgments.ts';
import type { AskingStage, Rates } from './rates.ts';

export interface EarlierRun {
  readonly runName: string;
  readonly assumptions: Assumptions;
  readonly rates: Rates;
}

/** Folders that are looked at, the newest ones. */
const MOST_LOOKED_AT = 100;

/**
 * The run under this name, else the newest that asks the same models in the same way; undefined where there is none
 * that has come as far as to tell anything.
 */
export async function earlierRun(
  store: ArtifactStore,
  configuration: Configuration,
): Promise<EarlierRun | undefined> {
  const { runName } = configuration;
  const others = (await runFolders(store)).filter((name) => name !== runName);
  for (const name of [runName, ...others]) {
    try {
      const resolved = await newestConfiguration(store, name);
      if (resolved === undefined || asksOf(resolved) !== asksOf(configuration)) continue;
      const told = await toldBy(store, name, resolved);
      if (Object.keys(told.assumptions).length + Object.keys(told.rates).length > 0)
        return { runName: name, ...told };
    } catch (error) {
      if (!(error instanceof ArtifactDamaged)) throw error;
    }
  }
  return undefined;
}

/** What decides how long answers are and how fast they come; where a model is served isn't known of a command. */
function asksOf({ models, instructions, pairs, judging }: Configuration): string {
  const categories = instructions?.categories ?? null;
  // A part of given pairs is as long as all of them.
  const asked = pairs.kind === 'given' ? { kind: pairs.kind, files: pairs.files } : pairs;
  const checkpoints = Object.entries(models).map(([role, model]) => [role, model?.checkpoint]);
  return canonicalJson({ models: Object.fromEntries(checkpoints), categories, pairs: asked, judging });
}

async function runFolders(store: ArtifactStore): Promise<string[]> {
  const entries = await readdir(store.root, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const dated = await Promise.all(
    folders.map(async ({ name }) => ({ name, at: (await stat(join(store.root, name))).mtimeMs })),
  );
  return dated
    .sort((a, b) => b.at - a.at)
    .slice(0, MOST_LOOKED_AT)
    .map(({ name }) => name);
}

async function newestConfiguration(store: ArtifactStore, run: string): Promise<Configuration | undefined> {
  const uri = runUris.configurations(run);
  const names = await readdir(store.path(uri)).catch(() => []);
  const manifests = await Promise.all(
    names.filter((name) => !name.includes('.')).map((name) => store.manifest(`${uri}/${name}`)),
  );
  const newest = manifests
    .filter((manifest) => manifest !== undefined)
    .reduce<Manifest | undefined>((a, b) => (a !== undefined && a.madeAt > b.madeAt ? a : b), undefined);
  if (newest === undefined) return undefined;
  const [resolved] = await store.records<ResolvedConfiguration>(referenceTo(newest));
  // An evaluation without training has no pairs.
  return resolved?.configuration.pairs === undefined ? undefined : resolved.configuration;
}

/** A stage's index, and when it could begin at the earliest. */
interface Timed {
  readonly stage: AskingStage;
  readonly index: Manifest | undefined;
  readonly after: string | undefined;
}

async function toldBy(store: ArtifactStore, run: string, configuration: Configuration) {
  const index = (uri: string) => store.manifest(`${uri}/index`);
  const [pool, categories, selected, pairs] = await Promise.all(
    [runUris.pool(run), runUris.categories(run), runUris.selected(run), runUris.pairs(run)].map(index),
  );
  const found: [AssumptionName, number | undefined][] = [
    ...ofCategories(configuration, categories),
    ...(await ofPairs(store, run, configuration, selected, pairs)),
  ];
  const timed: Timed[] = [
    { stage: 'categorizeInstructions', index: categories, after: pool?.madeAt },
    // Without a selection: given ones, which no model was asked for.
    { stage: 'generatePairs', index: pairs, after: selected?.madeAt },
  ];
  const verdicts: Counts[] = [];
  const later: Counts[] = [];
  let training: number | undefined;
  let ended = pairs?.madeAt;
  for (let iteration = 0; ; iteration += 1) {
    if (iteration > 0) {
      const judgments = await index(runUris.judgments(run, iteration));
      if (judgments === undefined) break;
      timed.push({ stage: 'judgePairs', index: judgments, after: ended });
      const examples = (await store.manifest(runUris.trainingSet(run, iteration)))?.counts['examples'];
      const judged = { ...judgments.counts, ...(examples === undefined ? {} : { examples }) };
      if (iteration > 1) later.push(judged);
      else
        found.push(
          ['judgmentTokens', share(judged, 'completionTokens', 'judgments')],
          ['rightShare', rightShareOf(configuration, judged)],
        );
      const folder = store.path(runUris.training(run, iteration));
      const result = await readResult(folder);
      if (result === undefined) break;
      training = Math.max(training ?? 0, result.tokens / result.seconds);
      ended = (await stat(join(folder, 'result.json'))).mtime.toISOString();
    }
    let last = ended;
    for (const { name } of configuration.evaluation.benchmarks) {
      const judged = await index(runUris.evaluation(run, iteration, name));
      if (judged === undefined) continue;
      verdicts.push(judged.counts);
      timed.push({ stage: 'evaluateJudge', index: judged, after: ended });
      if (last === undefined || judged.madeAt > last) last = judged.madeAt;
    }
    ended = last;
  }
  found.push(
    ['laterRightShare', rightShareOf(configuration, sumCounts(later))],
    ['verdictTokens', share(sumCounts(verdicts), 'completionTokens', 'judgments')],
  );
  const assumptions = Object.fromEntries(
    found.flatMap(([name, value]) =>
      value === undefined || !Number.isFinite(value) ? [] : [[name, { value, from: 'artifacts' }]],
    ),
  ) as Assumptions;
  const rates = {
    ...ratesOf(timed),
    ...(training === undefined ? {} : { fineTune: { tokensPerSecond: training, from: 'artifacts' } }),
  } as Rates;
  return { assumptions, rates };
}

/**
 * The mean share of right judgments. Where sampling ends with a right one, what is sampled most is what the judge gets
 * wrong: then it is the share that leads to as many judgments of an example as there were.
 */
function rightShareOf({ judging, filtering }: Configuration, counts: Counts): number | undefined {
  const { strategy } = judging;
  if (strategy.kind === 'all' || strategy.also !== undefined) return share(counts, 'right', 'judgments');
  const sampled = share(counts, 'judgments', 'examples');
  if (sampled === undefined) return undefined;
  const plan = { ...judging, judgmentsPerExample: filtering.judgmentsPerExample };
  let [low, high] = [0, 1];
  for (let halving = 0; halving < 30; halving += 1) {
    const middle = (low + high) / 2;
    if (expectedJudgments(plan, middle).judgments > sampled) low = middle;
    else high = middle;
  }
  return low;
}

function ofCategories(
  configuration: Configuration,
  index: Manifest | undefined,
): [AssumptionName, number | undefined][] {
  const { categories = null, complexity } = generationIn(configuration)?.instructions ?? {};
  if (index === undefined || categories === null || complexity !== null) return [];
  const { counts } = index;
  const of = (names: readonly string[]) =>
    names.reduce((total, name) => total + (counts[`category: ${name}`] ?? 0), 0);
  const all = of([...categories.names, 'none']);
  return [
    ['keptShare', of(categories.keep) / all],
    ['categoryTokens', (counts['completionTokens'] ?? 0) / all],
  ];
}

/** An answer's end is a token that no text shows. */
const END_CHARACTERS = 4;

/** One count of tokens stands for responses and similar instructions: it is divided by the lengths of their texts. */
async function ofPairs(
  store: ArtifactStore,
  run: string,
  configuration: Configuration,
  selected: Manifest | undefined,
  index: Manifest | undefined,
): Promise<[AssumptionName, number | undefined][]> {
  const first = await store.manifest(shardUri(runUris.pairs(run), 0));
  const all = selected?.counts['selected'];
  const generation = generationIn(configuration);
  if (index === undefined || first === undefined || all === undefined || generation === undefined) return [];
  const { construction } = generation.pairs;
  const pairShare = (index.counts['pairs'] ?? 0) / all;
  const pairs = await store.records<GeneratedPair>(referenceTo(first));
  const sizes = (text: (pair: GeneratedPair) => string | undefined) =>
    pairs.reduce((total, pair) => total + (text(pair)?.length ?? 0) + END_CHARACTERS, 0);
  const responses = sizes(({ better }) => better) + sizes(({ worse }) => worse);
  const similar = construction === 'worse-response' ? 0 : sizes((pair) => pair.similarInstruction);
  const perCharacter = (index.counts['completionTokens'] ?? 0) / all / (responses + similar);
  return [
    ['pairShare', pairShare],
    ['responseTokens', (perCharacter * responses) / 2],
    ['similarTokens', construction === 'worse-response' ? undefined : perCharacter * similar],
  ];
}

/** The fastest of its iterations: a slower one may have waited, or was paused. Stages side by side share their time. */
function ratesOf(timed: readonly Timed[]): Rates {
  const rates = new Map<AskingStage, number>();
  const together = Map.groupBy(
    timed.filter(({ index, after }) => index !== undefined && after !== undefined),
    ({ stage, after }) => `${stage} ${after}`,
  );
  for (const stages of together.values()) {
    const [{ stage, after = '' } = { stage: undefined }] = stages;
    if (stage === undefined) continue;
    const ends = stages.map(({ index }) => Date.parse(index?.madeAt ?? ''));
    const seconds = (Math.max(...ends) - Date.parse(after)) / 1000;
    const { promptTokens = 0, completionTokens = 0 } = sumCounts(
      stages.map(({ index }) => index?.counts ?? {}),
    );
    const rate = (promptTokens + completionTokens) / seconds;
    if (seconds > 0 && rate > (rates.get(stage) ?? 0)) rates.set(stage, rate);
  }
  return Object.fromEntries(
    [...rates].map(([stage, tokensPerSecond]) => [stage, { tokensPerSecond, from: 'artifacts' }]),
  ) as Rates;
}

function share(counts: Counts, part: string, whole: string): number | undefined {
  const of = counts[whole] ?? 0;
  return of === 0 ? undefined : (counts[part] ?? 0) / of;
}
