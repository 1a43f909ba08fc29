/**
 * Finds the work of a run that is already in the store, by the fingerprints by which the run itself reuses it. It only
 * reads, and doesn't hash the contents of artifacts.
 */
import { humanPairsFingerprints } from '../activities/add-human-pairs.ts';
import { categorizationFingerprintInputs } from '../activities/categorize-instructions.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import { evaluationFingerprintInputs } from '../activities/evaluate-benchmark.ts';
import { trainingSetFingerprint } from '../activities/filter-judgments.ts';
import {
  selectedJudgeFingerprint,
  trainingFingerprint,
  trainingFingerprintKey,
} from '../activities/training-fingerprint.ts';
import { pairGenerationFingerprintInputs } from '../activities/generate-pairs.ts';
import { judgmentFingerprintInputs } from '../activities/judge-pairs.ts';
import { benchmarkFingerprint } from '../activities/prepare-benchmark.ts';
import { providedPairsFingerprint } from '../activities/prepare-pairs.ts';
import { taskRecordsFingerprints } from '../activities/prepare-tasks.ts';
import { poolFingerprint } from '../activities/prepare-pool.ts';
import { shardFingerprint } from '../activities/process-shard.ts';
import { resolveCheckpoint } from '../activities/resolve-model.ts';
import { selectionFingerprint } from '../activities/select-instructions.ts';
import type { ShardedStage, StageName } from '../api/stages.ts';
import { planFingerprintInputs } from '../activities/plan-judgments.ts';
import { judgmentsOfIteration, roundForIteration } from '../config/fine-tuning.ts';
import { modelOfRole, type ModelRole } from '../config/model-roles.ts';
import { requireGeneration } from '../config/pair-source.ts';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import { hashesOf } from '../datasets/collected-rows.ts';
import { cachedFilesOf } from '../datasets/data-files.ts';
import type { DataFile } from '../datasets/rows/data-file.ts';
import { selectingBenchmarks } from '../method/model-selection.ts';
import type { TrainingResult } from '../models/training/job.ts';
import { readStoredTraining } from '../models/training/stored-training.ts';
import { fieldDifferences } from '../platform/field-differences.ts';
import { InputNotFound, resolveInputPath } from '../platform/input-files.ts';
import type { Problem } from '../platform/problem.ts';
import type { ResolvedConfiguration } from '../runs/open-run.ts';
import { unknownStage } from '../runs/archive-stages.ts';
import { stageInRun, storedStages, type StoredStage } from '../runs/stored-stages.ts';
import type { ArtifactReference, Fingerprint, Manifest } from '../store/artifact.ts';
import { ArtifactDamaged, FingerprintMismatch } from '../store/errors.ts';
import { readShardReferences, shardUri } from '../store/shards.ts';

export interface ReusableWork {
  /** The share of each stage that is done, 0 to 1, by `stageKey`. A stage that is missing here is not begun. */
  readonly shares: ReadonlyMap<string, number>;
  /** Counts of complete stages, which replace expected ones. */
  readonly counts: Readonly<Partial<Record<'instructions' | 'selected' | 'pairs', number | undefined>>>;
  /** The reason to refuse the run: an artifact made from something else, or an unknown stage in `rerunFrom`. */
  readonly problem?: Problem | undefined;
}

type Model = Pick<Awaited<ReturnType<typeof resolveCheckpoint>>, 'sha256'>;

export function stageKey(stage: string, iteration: number, benchmark = ''): string {
  return `${iteration}/${stage}/${benchmark}`;
}

/** @param files the files of the pool, or of provided pairs */
export async function findReusableWork(
  deps: LocalDependencies,
  resolved: ResolvedConfiguration,
  files: readonly DataFile[],
): Promise<ReusableWork> {
  const { runName, rerunFrom } = resolved.configuration;
  const stages = await storedStages(deps.store, resolved.configuration);
  const redone = stages.findIndex((stage) => stageInRun(stage) === rerunFrom);
  if (redone < 0 && rerunFrom !== undefined)
    return { shares: new Map(), counts: {}, problem: unknownStage(rerunFrom, stages) };
  const scan = new ReusableWorkScan(deps, resolved, redone < 0 ? stages : stages.slice(0, redone));
  let problem: Problem | undefined;
  try {
    if (await deps.store.exists(runName)) await scan.walk(files);
  } catch (error) {
    // A damaged artifact is made again, with everything after it; a missing input is reported by another check.
    const ends = [WorkRemains, ArtifactDamaged, InputNotFound].some((kind) => error instanceof kind);
    if (error instanceof FingerprintMismatch) problem = { path: 'runName', message: error.message };
    else if (!ends) throw error;
  }
  const { shares, counts } = scan;
  return { shares, counts, problem };
}

/** Ends the scan at the first stage that is not complete: later stages depend on it. */
class WorkRemains extends Error {}

/** @throws WorkRemains if the value is undefined */
function required<T>(value: T | undefined): T {
  if (value === undefined) throw new WorkRemains();
  return value;
}

/** The fingerprint inputs of all shards of a stage, or of each. */
type InputsOfShards = Fingerprint | ((shard: number) => Fingerprint);

class ReusableWorkScan {
  readonly shares = new Map<string, number>();
  readonly counts: { -readonly [Name in keyof ReusableWork['counts']]: number | undefined } = {};
  readonly #deps: LocalDependencies;
  readonly #resolved: ResolvedConfiguration;
  /** The folders of each stage that the run does not do again. */
  readonly #folders: ReadonlyMap<string, readonly string[]>;

  constructor(deps: LocalDependencies, resolved: ResolvedConfiguration, kept: readonly StoredStage[]) {
    this.#deps = deps;
    this.#resolved = resolved;
    this.#folders = new Map(kept.map((stage) => [stageInRun(stage), stage.folders]));
  }

  /** Goes through the stages in the order of the run. */
  async walk(files: readonly DataFile[]): Promise<void> {
    const { configuration } = this.#resolved;
    const { filtering, iterations, fineTuning } = configuration;
    const seed = await this.#model('seed');
    const benchmarks = await this.#benchmarks();
    let pairs = await this.#pairs(await hashesOf(files), benchmarks);
    if (filtering.humanData.length > 0) pairs = await this.#withHumanPairs(pairs, benchmarks);
    if (configuration.pairs.tasks.length > 0) pairs = await this.#withTasks(pairs, benchmarks);
    await this.#evaluations(0, seed, benchmarks);
    let judge: Model = seed;
    let judgments: Manifest | undefined;
    for (let iteration = 1; iteration <= iterations; iteration += 1) {
      const isReused = judgmentsOfIteration(fineTuning, iteration) < iteration;
      if (!isReused || judgments === undefined)
        judgments = await this.#judgments(
          iteration,
          iteration === 1 ? await this.#model('firstJudge') : judge,
          pairs,
        );
      const ofTrainingSet = trainingSetFingerprint(this.#resolved, iteration, { pairs, judgments });
      const [uri = ''] = this.#foldersOf('filterJudgments', iteration);
      const trainingSet = required(await this.#find(uri, ofTrainingSet));
      const base = roundForIteration(fineTuning, iteration).initFrom === 'previous' ? judge : seed;
      judge = await this.#trainedJudge(iteration, base, trainingSet);
      await this.#evaluations(iteration, judge, benchmarks);
    }
  }

  /** The judgments of an iteration, with the plans that they follow. */
  async #judgments(iteration: number, judge: Model, pairs: Manifest): Promise<Manifest> {
    const { configuration, prompts } = this.#resolved;
    const inputs = (plans?: ArtifactReference) =>
      judgmentFingerprintInputs(configuration, prompts, iteration, plans);
    if (configuration.judging.plan === undefined)
      return this.#sharded('judgePairs', iteration, judge, pairs, inputs());
    const ofPlans = planFingerprintInputs(configuration, prompts, iteration);
    const plans = await this.#sharded('planJudgments', iteration, judge, pairs, ofPlans);
    const shards = await readShardReferences(this.#deps.store, plans);
    return this.#sharded('judgePairs', iteration, judge, pairs, (shard) => inputs(shards[shard]));
  }

  async #benchmarks(): Promise<PreparedBenchmark[]> {
    const folders = this.#foldersOf('prepareBenchmarks', 0);
    const { benchmarks } = this.#resolved.configuration.evaluation;
    const prepared: PreparedBenchmark[] = [];
    for (const [number, { name, format, path }] of benchmarks.entries()) {
      const fingerprint = await benchmarkFingerprint(format, resolveInputPath(this.#deps.files, path));
      prepared.push({ name, pairs: required(await this.#find(`${folders[number]}/index`, fingerprint)) });
    }
    return prepared;
  }

  /** The provided or generated pairs. */
  async #pairs(hashes: readonly string[], benchmarks: readonly PreparedBenchmark[]): Promise<Manifest> {
    const { configuration } = this.#resolved;
    if (configuration.pairs.kind === 'provided') {
      const fingerprint = providedPairsFingerprint(this.#resolved, hashes, benchmarks);
      const pairs = await this.#index('preparePairs', fingerprint);
      this.shares.set(stageKey('preparePairs', 0), 1);
      this.counts.pairs = pairs.counts['pairs'];
      return pairs;
    }
    const { categories, complexity } = requireGeneration(configuration).instructions;
    const pool = await this.#index('preparePool', poolFingerprint(configuration, hashes, benchmarks));
    this.counts.instructions = pool.counts['instructions'];
    const generator = await this.#model('generator');
    const categorized =
      (categories ?? complexity) === null
        ? pool
        : await this.#sharded(
            'categorizeInstructions',
            0,
            generator,
            pool,
            categorizationFingerprintInputs(this.#resolved),
          );
    const selection = await this.#index(
      'selectInstructions',
      selectionFingerprint(configuration, categorized),
    );
    this.counts.selected = selection.counts['selected'];
    const inputs = pairGenerationFingerprintInputs(this.#resolved);
    const generated = await this.#sharded('generatePairs', 0, generator, selection, inputs);
    this.counts.pairs = generated.counts['pairs'];
    return generated;
  }

  async #withHumanPairs(pairs: Manifest, benchmarks: readonly PreparedBenchmark[]): Promise<Manifest> {
    const { configuration } = this.#resolved;
    const hashes: string[][] = [];
    for (const { path } of configuration.filtering.humanData)
      hashes.push(await hashesOf(required(await cachedFilesOf(this.#deps, [path]))));
    const { judgedPairs } = humanPairsFingerprints(configuration, hashes, benchmarks, pairs);
    return this.#index('addHumanPairs', judgedPairs);
  }

  async #withTasks(pairs: Manifest, benchmarks: readonly PreparedBenchmark[]): Promise<Manifest> {
    const { configuration } = this.#resolved;
    const hashes: string[][] = [];
    for (const { files } of configuration.pairs.tasks)
      hashes.push(await hashesOf(required(await cachedFilesOf(this.#deps, files))));
    const { judged } = taskRecordsFingerprints(configuration, hashes, benchmarks, pairs);
    return this.#index('prepareTasks', judged);
  }

  async #evaluations(iteration: number, model: Model, benchmarks: readonly PreparedBenchmark[]) {
    const folders = this.#foldersOf('evaluateJudge', iteration);
    for (const [number, { name, pairs }] of benchmarks.entries()) {
      const inputs = evaluationFingerprintInputs(this.#resolved, name);
      const share = await this.#shareOfShards(folders[number] ?? '', model, pairs, inputs);
      this.shares.set(stageKey('evaluateJudge', iteration, name), share);
    }
  }

  async #trainedJudge(iteration: number, base: Model, trainingSet: Manifest): Promise<Model> {
    const { store } = this.#deps;
    const { configuration } = this.#resolved;
    const [folder = '', trainer = folder] = this.#foldersOf('fineTune', iteration);
    const fingerprint = trainingFingerprint(configuration, { iteration, base, trainingSet });
    const { model } = await this.#trainingIn(trainer, fingerprint);
    this.shares.set(stageKey('fineTune', iteration), 1);
    if (trainer === folder) return model;
    const text = required(await store.readText(trainingFingerprintKey(folder)));
    const step = Number(parseFingerprint(text)['step']);
    const judge = await this.#trainingIn(folder, selectedJudgeFingerprint(configuration, fingerprint, step));
    const { evaluation, modelSelection } = configuration;
    for (const { name } of selectingBenchmarks(evaluation.benchmarks, modelSelection))
      this.shares.set(stageKey('selectCheckpoint', iteration, name), 1);
    return judge.model;
  }

  async #trainingIn(folder: string, fingerprint: Fingerprint): Promise<TrainingResult> {
    const { store } = this.#deps;
    const stored = parseFingerprint(required(await store.readText(trainingFingerprintKey(folder))));
    requireEqual(folder, stored, fingerprint);
    return required(await readStoredTraining(store, folder));
  }

  #model(role: ModelRole): Promise<Model> {
    return resolveCheckpoint(this.#deps, modelOfRole(this.#resolved.configuration, role).checkpoint);
  }

  /** @throws WorkRemains if the run is to do the stage again */
  #foldersOf(stage: StageName, iteration: number): readonly string[] {
    return required(this.#folders.get(stageInRun({ stage, iteration })));
  }

  /** The index of a stage before the first iteration. */
  async #index(stage: StageName, fingerprint: Fingerprint): Promise<Manifest> {
    return required(await this.#find(`${this.#foldersOf(stage, 0)[0]}/index`, fingerprint));
  }

  async #find(uri: string, fingerprint: Fingerprint): Promise<Manifest | undefined> {
    const manifest = await this.#deps.store.readManifest(uri);
    if (manifest !== undefined) requireEqual(uri, manifest.fingerprint, fingerprint);
    return manifest;
  }

  /** The index of a stage whose shards are all done. */
  async #sharded(
    stage: ShardedStage,
    iteration: number,
    model: Model,
    input: Manifest,
    inputs: InputsOfShards,
  ): Promise<Manifest> {
    const [folder = ''] = this.#foldersOf(stage, iteration);
    const share = await this.#shareOfShards(folder, model, input, inputs);
    this.shares.set(stageKey(stage, iteration), share);
    if (share < 1) throw new WorkRemains();
    return required(await this.#deps.store.readManifest(`${folder}/index`));
  }

  /** The share of the shards that are done. */
  async #shareOfShards(folder: string, model: Model, input: ArtifactReference, inputs: InputsOfShards) {
    const shards = await readShardReferences(this.#deps.store, input);
    let done = 0;
    for (const [number, shard] of shards.entries()) {
      const ofShard = typeof inputs === 'function' ? inputs(number) : inputs;
      const fingerprint = shardFingerprint(this.#resolved.configuration, model, shard, ofShard);
      if ((await this.#find(shardUri(folder, number), fingerprint)) !== undefined) done += 1;
    }
    return shards.length === 0 ? 1 : done / shards.length;
  }
}

function requireEqual(uri: string, stored: Fingerprint, fingerprint: Fingerprint): void {
  if (fieldDifferences(stored, fingerprint).length > 0)
    throw new FingerprintMismatch(uri, stored, fingerprint);
}

function parseFingerprint(text: string): Fingerprint {
  try {
    return JSON.parse(text) as Fingerprint;
  } catch {
    throw new WorkRemains('the file was not written completely');
  }
}
