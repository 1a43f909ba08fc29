/**
 * What of a run stands in the store already, by the same fingerprints by which the run itself would take it up. Reads
 * alone: nothing is set aside, and contents are not hashed.
 */
import { existsSync } from 'node:fs';
import type { ComparedBenchmark } from '../activities/benchmark-overlaps.ts';
import { evaluatingMeaning } from '../activities/evaluate-benchmark.ts';
import { humanPairsFingerprints } from '../activities/add-human-pairs.ts';
import { categorizingMeaning } from '../activities/categorize-instructions.ts';
import { hashesOf } from '../activities/collected-rows.ts';
import { filesThere } from '../activities/data-files.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import { examplesFingerprint } from '../activities/filter-judgments.ts';
import { trainingFingerprint, trainingMeaningFile } from '../activities/fine-tune.ts';
import { generatingMeaning } from '../activities/generate-pairs.ts';
import { judgingMeaning } from '../activities/judge-pairs.ts';
import { identified, modelOfRole } from '../activities/models.ts';
import { runUris, stageUri, type ResolvedConfiguration } from '../activities/open-run.ts';
import { benchmarkFingerprint } from '../activities/prepare-benchmark.ts';
import { givenPairsFingerprint } from '../activities/prepare-pairs.ts';
import { poolFingerprint } from '../activities/prepare-pool.ts';
import { preferencesFingerprint } from '../activities/preference-set.ts';
import { selectionFingerprint } from '../activities/select-instructions.ts';
import type { ModelRole, ShardedStage } from '../activities/types.ts';
import { shardFingerprint } from '../activities/work-on-shard.ts';
import { ArtifactDamaged, differingFields, FingerprintMismatch } from '../artifacts/errors.ts';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import type { ArtifactReference, Fingerprint, Manifest } from '../artifacts/reference.ts';
import { shardsOf, shardUri } from '../artifacts/shards.ts';
import { referenceTo } from '../artifacts/store.ts';
import { InputNotFound, resolveInput, type DataFile } from '../config/input-files.ts';
import { roundOf } from '../config/fine-tuning.ts';
import { generationOf } from '../config/pair-source.ts';
import type { Problem } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import { readResult } from '../training/model-damage.ts';

export interface StoreState {
  /** The share of a stage that is done, 0 to 1, by `stageKey`; not there: 0. */
  readonly reused: ReadonlyMap<string, number>;
  /** What is known for sure instead of being expected. */
  readonly instructions?: number | undefined;
  readonly selected?: number | undefined;
  readonly pairs?: number | undefined;
  /** What stands there and means something else: the run would be refused. */
  readonly problem?: Problem | undefined;
}

export function stageKey(stage: string, iteration: number, benchmark?: string): string {
  return `${iteration}/${stage}${benchmark === undefined ? '' : `/${benchmark}`}`;
}

/** @param files of the pool, or of given pairs */
export async function storeState(
  deps: LocalDependencies,
  resolved: ResolvedConfiguration,
  files: readonly DataFile[],
): Promise<StoreState> {
  const look = new StoreLook(deps, resolved);
  if (!existsSync(deps.store.path(resolved.configuration.runName))) return look.found;
  try {
    await look.walk(files);
  } catch (error) {
    if (error instanceof FingerprintMismatch)
      return { ...look.found, problem: { path: 'runName', message: error.message } };
    // What is damaged is made again, with all that follows from it; what isn't found is a problem of its own.
    if (!(error instanceof ArtifactDamaged || error instanceof InputNotFound)) throw error;
  }
  return look.found;
}

/** A stage that `redo` names, where the walk ends: all from there on is done again. */
class ToBeRedone extends ArtifactDamaged {}

/** Goes through the stages in their order, until one isn't there. */
class StoreLook {
  readonly #deps: LocalDependencies;
  readonly #resolved: ResolvedConfiguration;
  readonly #reused = new Map<string, number>();
  #counts: Pick<StoreState, 'instructions' | 'selected' | 'pairs'> = {};

  constructor(deps: LocalDependencies, resolved: ResolvedConfiguration) {
    this.#deps = deps;
    this.#resolved = resolved;
  }

  get found(): StoreState {
    return { reused: this.#reused, ...this.#counts };
  }

  async walk(files: readonly DataFile[]): Promise<void> {
    const { configuration } = this.#resolved;
    const { filtering, iterations, fineTuning } = configuration;
    const seed = await this.#identify('seed');

    this.#begin('0/prepare-benchmarks');
    const benchmarks = await this.#benchmarks();
    // What instructions were compared with is a part of what they mean.
    if (benchmarks.length < configuration.evaluation.benchmarks.length) return;
    const first =
      configuration.pairs.kind === 'given'
        ? await this.#givenPairs(configuration.pairs, files, benchmarks)
        : await this.#generatedPairs(files, benchmarks);
    if (first === undefined) return;
    this.#begin('0/add-human-pairs');
    const pairs = filtering.humanData.length === 0 ? first : await this.#withHumanPairs(first, benchmarks);
    if (pairs === undefined) return;

    this.#begin('0/evaluate');
    await this.#evaluations(0, seed, benchmarks);
    let judge: { readonly sha256: string } = seed;
    for (let iteration = 1; iteration <= iterations; iteration += 1) {
      const judging = iteration === 1 ? await this.#identify('firstJudge') : judge;
      this.#begin(`${iteration}/judge-pairs`);
      const meaning = judgingMeaning(configuration, this.#resolved.prompts);
      const judgments = await this.#sharded('judgePairs', iteration, judging, pairs, meaning);
      if (judgments === undefined) return;
      this.#begin(`${iteration}/filter-judgments`);
      const trainingSet = await this.#trainingSet(iteration, pairs, judgments);
      if (trainingSet === undefined) return;
      this.#begin(`${iteration}/fine-tune`);
      const base = roundOf(fineTuning, iteration).startFrom === 'previous' ? judge : seed;
      const trained = await this.#training(iteration, base, trainingSet);
      if (trained === undefined) return;
      judge = trained;
      this.#begin(`${iteration}/evaluate`);
      await this.#evaluations(iteration, judge, benchmarks);
    }
  }

  async #givenPairs(
    given: Extract<Configuration['pairs'], { kind: 'given' }>,
    files: readonly DataFile[],
    benchmarks: readonly ComparedBenchmark[],
  ): Promise<Manifest | undefined> {
    const { runName, seed } = this.#resolved.configuration;
    this.#begin('0/prepare-pairs');
    const hashes = await hashesOf(files);
    const fingerprint = givenPairsFingerprint(given, seed, hashes, benchmarks);
    const pairs = await this.#index(runUris.pairs(runName), fingerprint);
    if (pairs === undefined) return undefined;
    this.#reused.set(stageKey('preparePairs', 0), 1);
    this.#counts = { pairs: pairs.counts['pairs'] };
    return pairs;
  }

  async #generatedPairs(
    files: readonly DataFile[],
    benchmarks: readonly ComparedBenchmark[],
  ): Promise<Manifest | undefined> {
    const { configuration } = this.#resolved;
    const { runName } = configuration;
    const { categories, complexity } = generationOf(configuration).instructions;
    this.#begin('0/prepare-pool');
    const hashes = await hashesOf(files);
    const pool = await this.#index(runUris.pool(runName), poolFingerprint(configuration, hashes, benchmarks));
    if (pool === undefined) return undefined;
    this.#counts = { instructions: pool.counts['instructions'] };

    const generator = await this.#identify('generator');
    const ask = (stage: ShardedStage, input: Manifest, meaning: Fingerprint) =>
      this.#sharded(stage, 0, generator, input, meaning);
    this.#begin('0/categorize-instructions');
    const categorized =
      (categories ?? complexity) === null
        ? pool
        : await ask('categorizeInstructions', pool, categorizingMeaning(this.#resolved));
    if (categorized === undefined) return undefined;
    this.#begin('0/select-instructions');
    const selected = await this.#index(
      runUris.selected(runName),
      selectionFingerprint(configuration, categorized),
    );
    if (selected === undefined) return undefined;
    this.#counts = { ...this.#counts, selected: selected.counts['selected'] };
    this.#begin('0/generate-pairs');
    const generated = await ask('generatePairs', selected, generatingMeaning(this.#resolved));
    if (generated !== undefined) this.#counts = { ...this.#counts, pairs: generated.counts['pairs'] };
    return generated;
  }

  #identify(role: ModelRole) {
    return identified(this.#deps, modelOfRole(this.#resolved.configuration, role).checkpoint);
  }

  #begin(stage: string): void {
    if (this.#resolved.configuration.redo === stage) throw new ToBeRedone(stage);
  }

  /** An artifact that means what is wanted. */
  async #artifact(uri: string, fingerprint: Fingerprint): Promise<Manifest | undefined> {
    const manifest = await this.#deps.store.manifest(uri);
    if (manifest !== undefined && differingFields(manifest.fingerprint, fingerprint).length > 0)
      throw new FingerprintMismatch(uri, manifest.fingerprint, fingerprint);
    return manifest;
  }

  #index(uri: string, fingerprint: Fingerprint): Promise<Manifest | undefined> {
    return this.#artifact(`${uri}/index`, fingerprint);
  }

  async #benchmarks() {
    const { runName, evaluation } = this.#resolved.configuration;
    const found: { name: string; pairs: ArtifactReference }[] = [];
    for (const { name, format, path } of evaluation.benchmarks) {
      const file = resolveInput(this.#deps.files, path);
      const index = await this.#index(
        runUris.benchmark(runName, name),
        await benchmarkFingerprint(format, file),
      );
      if (index !== undefined) found.push({ name, pairs: referenceTo(index) });
    }
    return found;
  }

  /** The stage's index where it is complete; notes which share of its shards is. */
  async #sharded(
    stage: ShardedStage,
    iteration: number,
    model: { readonly sha256: string },
    input: Manifest,
    meaning: Fingerprint,
    benchmark?: string,
  ): Promise<Manifest | undefined> {
    const { configuration } = this.#resolved;
    const uri = stageUri(stage, configuration.runName, iteration, benchmark);
    const shards = await shardsOf(this.#deps.store, referenceTo(input));
    let done = 0;
    for (const [number, shard] of shards.entries()) {
      const fingerprint = shardFingerprint(configuration, model, shard, meaning);
      if ((await this.#artifact(shardUri(uri, number), fingerprint)) !== undefined) done += 1;
    }
    const name = stage === 'evaluateBenchmark' ? 'evaluateJudge' : stage;
    this.#reused.set(stageKey(name, iteration, benchmark), shards.length === 0 ? 1 : done / shards.length);
    return done < shards.length ? undefined : this.#deps.store.manifest(`${uri}/index`);
  }

  async #withHumanPairs(
    pairs: Manifest,
    benchmarks: readonly ComparedBenchmark[],
  ): Promise<Manifest | undefined> {
    const { configuration } = this.#resolved;
    const hashes: string[][] = [];
    for (const { path } of configuration.filtering.humanData) {
      const files = await filesThere(this.#deps, [path]);
      if (files === undefined) return undefined;
      hashes.push(await hashesOf(files));
    }
    const { whole } = humanPairsFingerprints(configuration, hashes, benchmarks, pairs);
    return this.#index(runUris.judgedPairs(configuration.runName), whole);
  }

  async #evaluations(
    iteration: number,
    model: { readonly sha256: string },
    benchmarks: readonly { readonly name: string; readonly pairs: ArtifactReference }[],
  ): Promise<void> {
    for (const { name, pairs } of benchmarks) {
      const input = await this.#deps.store.manifest(pairs.uri);
      if (input === undefined) continue;
      const meaning = evaluatingMeaning(this.#resolved, name);
      await this.#sharded('evaluateBenchmark', iteration, model, input, meaning, name);
    }
  }

  #trainingSet(iteration: number, pairs: Manifest, judgments: Manifest): Promise<Manifest | undefined> {
    const { runName, fineTuning } = this.#resolved.configuration;
    const round = roundOf(fineTuning, iteration);
    const input = { pairs, judgments };
    const fingerprint =
      round.method === 'dpo'
        ? preferencesFingerprint(this.#resolved, round, input)
        : examplesFingerprint(this.#resolved, input);
    return this.#artifact(runUris.trainingSet(runName, iteration), fingerprint);
  }

  /** The judge that an iteration has trained. */
  async #training(
    iteration: number,
    base: { readonly sha256: string },
    trainingSet: Manifest,
  ): Promise<{ readonly sha256: string } | undefined> {
    const { configuration } = this.#resolved;
    const uri = runUris.training(configuration.runName, iteration);
    const folder = this.#deps.store.path(uri);
    const text = await readTextIfThere(trainingMeaningFile(folder));
    if (text === undefined) return undefined;
    const found = parsed(text);
    const wanted = trainingFingerprint(configuration, { iteration, base, trainingSet });
    if (found === undefined) return undefined;
    if (differingFields(found, wanted).length > 0) throw new FingerprintMismatch(uri, found, wanted);
    const result = await readResult(folder);
    if (result === undefined) return undefined;
    this.#reused.set(stageKey('fineTune', iteration), 1);
    return result.model;
  }
}

function parsed(text: string): Fingerprint | undefined {
  try {
    return JSON.parse(text) as Fingerprint;
  } catch {
    return undefined;
  }
}
