import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ArtifactDamaged } from '../artifacts/errors.ts';
import type { Manifest } from '../artifacts/reference.ts';
import { recordsBehind } from '../artifacts/shards.ts';
import { referenceTo, writeFileAtomically } from '../artifacts/store.ts';
import { filesIn } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { roundOf } from '../config/fine-tuning.ts';
import { JUDGE_FILE } from '../contract/judge-file.ts';
import { parseHubUri, isHubUri } from '../hub/hub-files.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { datasetCard, PARQUET_FILE, type ExportedSet } from '../outputs/dataset-card.ts';
import { modelCard } from '../outputs/model-card.ts';
import { CARD_FILE, makeModelFolder } from '../outputs/model-folder.ts';
import { trainingRows, type Layout, type PairFacts } from '../outputs/training-rows.ts';
import { writeParquet } from '../outputs/write-parquet.ts';
import { freedModel } from '../training/freed-model.ts';
import { readResult } from '../training/model-damage.ts';
import { withHeartbeats } from './attempt.ts';
import type { CategorizedInstruction } from './categorize-instructions.ts';
import { compareWithSeedJudge } from './compare-iterations.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, runUris, type ResolvedConfiguration } from './open-run.ts';
import { namedModel } from './named-model.ts';
import type { IterationSummary, RunReference } from './types.ts';
import { writeJudgeFiles } from './write-judge-files.ts';
import { iterationOf } from './write-report.ts';

export interface ExportInput {
  readonly run: RunReference;
  /** All that are complete, the seed model's first. */
  readonly iterations: readonly IterationSummary[];
  readonly best: number;
  readonly warnings: readonly string[];
}

/**
 * Makes of what a run has so far what other programs load as it is (docs/outputs.md): every training set as JSONL and
 * Parquet with a data set card, and the best judge as a checkpoint with its model card. A training set is an artifact,
 * made once; cards and `judge.json` are views like the report, written anew with each iteration's figures.
 */
export function exportOutputs(deps: Dependencies, input: ExportInput): Promise<void> {
  return withHeartbeats(async () => {
    const resolved = await openRun(deps.store, input.run);
    await exportTrainingSets(deps, input, resolved);
    await writeJudgeFiles(deps, input.iterations, resolved);
    await exportModel(deps, input, resolved);
  });
}

async function exportTrainingSets(
  { store }: Dependencies,
  { run, iterations }: ExportInput,
  { configuration }: ResolvedConfiguration,
): Promise<void> {
  const { runName } = run;
  const { filtering, instructions } = configuration;
  const given = configuration.pairs.kind === 'given';
  // Of pairs that the run has made itself nothing is to be known.
  const withSources = given
    ? runUris.pairs(runName)
    : filtering.humanData.length > 0
      ? runUris.judgedPairs(runName)
      : undefined;
  const pairs = withSources === undefined ? undefined : await store.manifest(`${withSources}/index`);
  const categories =
    (instructions?.categories ?? null) === null
      ? undefined
      : await store.manifest(`${runUris.categories(runName)}/index`);
  let known: PairFacts | undefined;
  const facts = async () => (known ??= await pairFacts(pairs, categories));
  const sets: ExportedSet[] = [];
  for (const { iteration } of iterations.slice(1)) {
    const trainingSet = await store.manifest(runUris.trainingSet(runName, iteration));
    if (trainingSet === undefined)
      throw new ArtifactDamaged(`${store.path(runUris.trainingSet(runName, iteration))} is missing`);
    const layout = layoutOf(configuration, iteration);
    await exportSet(trainingSet, iteration, layout);
    sets.push({ iteration, layout, rows: trainingSet.records });
  }
  await writeFileAtomically(
    join(store.path(runUris.datasetFolder(runName)), CARD_FILE),
    trainingSetsCard(runName, sets, configuration),
  );

  async function exportSet(trainingSet: Manifest, iteration: number, layout: Layout): Promise<void> {
    const uri = runUris.exportedSet(runName, iteration);
    const fingerprint = {
      schema: 1,
      stage: 'export-training-set',
      layout,
      trainingSet: trainingSet.sha256,
      pairs: pairs?.sha256 ?? null,
      categories: categories?.sha256 ?? null,
    };
    if ((await store.completed(uri, fingerprint)) !== undefined) return;
    const file = await store.recordsFile(referenceTo(trainingSet));
    const ofPairs = await facts();
    const rows = () => trainingRows(file, ofPairs);
    await store.publish(uri, {
      fingerprint,
      records: rows(),
      files: { [PARQUET_FILE]: (path) => writeParquet(path, layout, rows()) },
    });
  }

  /** One shard in memory at a time, and of each pair no text. */
  async function pairFacts(
    pairs: Manifest | undefined,
    categories: Manifest | undefined,
  ): Promise<PairFacts> {
    const facts = { sources: new Map<string, string>(), categories: new Map<string, string>() };
    if (pairs !== undefined)
      for await (const { id, source, subset } of recordsBehind<ResponsePair>(store, pairs)) {
        if (source !== undefined) facts.sources.set(id, source);
        if (subset !== undefined) facts.categories.set(id, subset);
      }
    const kept = instructions?.categories?.keep ?? [];
    if (categories !== undefined)
      for await (const { id, category } of recordsBehind<CategorizedInstruction>(store, categories))
        if (typeof category === 'string' && kept.includes(category)) facts.categories.set(id, category);
    return facts;
  }
}

/** In which of TRL's layouts an iteration's training set is. */
export function layoutOf({ fineTuning }: Configuration, iteration: number): Layout {
  return roundOf(fineTuning, iteration).method === 'dpo' ? 'preference' : 'prompt-completion';
}

/** The data set card of these training sets of a run. */
export function trainingSetsCard(
  runName: string,
  sets: readonly ExportedSet[],
  configuration: Configuration,
): string {
  const { publish } = configuration;
  return datasetCard({
    runName,
    sets,
    pairs: configuration.pairs.kind,
    sourceDatasets: hubDatasets(configuration),
    modelRepository: publish?.model,
    repository: publish?.dataset,
  });
}

async function exportModel(
  deps: Dependencies,
  { run, iterations, best, warnings }: ExportInput,
  resolved: ResolvedConfiguration,
): Promise<void> {
  const { store } = deps;
  const { runName } = run;
  const folder = store.path(runUris.modelFolder(runName));
  const summary = iterations[best];
  // The seed model is nobody's to hand on but its owner's.
  if (best === 0 || summary === undefined) return rm(folder, { recursive: true, force: true });
  const training = store.path(runUris.training(runName, best));
  // A run that goes through its stages again: the judge that it has chosen comes later, and is kept.
  if (freedModel(training) !== undefined) return;
  const result = await readResult(training);
  if (result === undefined) throw new ArtifactDamaged(`${training} has no result`);
  const about = { runName, iterations, iteration: best, warnings, versions: result.versions };
  const readme = await judgeCard(deps, about, resolved);
  if (readme === undefined) return;
  const files = result.model.files.map(({ name }) => name);
  await makeModelFolder(folder, join(training, 'model'), files, {
    [CARD_FILE]: readme,
    [JUDGE_FILE]: await readFile(store.path(runUris.judgeFile(runName, best)), 'utf8'),
  });
}

/** Which judge a card is about, and what of the run it tells. */
export interface JudgeCardSubject {
  readonly runName: string;
  /** All that are complete, the seed model's first. */
  readonly iterations: readonly IterationSummary[];
  readonly iteration: number;
  readonly warnings: readonly string[];
  /** What it was trained with. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The model card of a run's judge, with its figures and those of the seed judge. */
export async function judgeCard(
  deps: Pick<Dependencies, 'store' | 'files'>,
  { runName, iterations, iteration: wanted, warnings, versions }: JudgeCardSubject,
  { configuration, prompts }: ResolvedConfiguration,
): Promise<string | undefined> {
  const { store } = deps;
  const summary = iterations[wanted];
  if (summary === undefined) return undefined;
  const { models, filtering, fineTuning, evaluation, publish, seed, pairs } = configuration;
  const named = (checkpoint: string) => namedModel(deps, checkpoint);
  const round = roundOf(fineTuning, wanted);
  const [seedJudge, judge] = await Promise.all(
    [iterations[0] ?? summary, summary].map((one) => iterationOf(store, runName, one, configuration)),
  );
  if (judge === undefined) return undefined;
  return modelCard({
    runName,
    seed,
    judge,
    seedJudge,
    comparisons: await compareWithSeedJudge(store, iterations, wanted, seed),
    models: {
      seed: named(models.seed.checkpoint),
      generator: named((models.generator ?? models.seed).checkpoint),
      firstJudge: named((models.firstJudge ?? models.seed).checkpoint),
    },
    pairs: {
      kind: pairs.kind,
      from: filesIn(configuration).map((entry) => (isHubUri(entry) ? entry : basename(entry))),
    },
    humanData: filtering.humanData.map(({ name }) => name),
    datasets: [...hubDatasets(configuration), ...(publish?.dataset === undefined ? [] : [publish.dataset])],
    round,
    startedFrom: round.startFrom === 'seed' || wanted === 1 ? 'M_0' : `M_${wanted - 1}`,
    adapter: fineTuning.adapter.kind,
    prompt: prompts.training,
    sampling: evaluation.sampling,
    repository: publish?.model,
    warnings,
    versions,
  });
}

/** The data sets of the hub that the instructions or the pairs come from, each once. */
function hubDatasets(configuration: ResolvedConfiguration['configuration']): string[] {
  return [
    ...new Set(
      filesIn(configuration)
        .filter(isHubUri)
        .map((entry) => parseHubUri(entry).repository),
    ),
  ];
}
