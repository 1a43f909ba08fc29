/** Reads what a plan counts: what can't be read is named, and the rest is counted without it. */
import { readPrompts } from '../activities/plan-run.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import type { Prompts } from '../activities/open-run.ts';
import { filesThere } from '../activities/data-files.ts';
import type { BenchmarkItem } from '../benchmarks/benchmark.ts';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { resolveInput, type DataFile } from '../config/input-files.ts';
import { filesIn, generationIn, generationOf } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { isHubUri } from '../hub/hub-files.ts';
import { samplePairs, type PairsSample } from './pairs-sample.ts';
import { samplePool, type PoolSample } from './pool-sample.ts';
import type { SampledBenchmark } from './prompt-sizes.ts';
import { evenly } from './sampled-rows.ts';

/** What the run's pairs are made from, or what gives them. */
export type PlanSource = (PoolSample | PairsSample) & { readonly files: readonly DataFile[] };

export interface PlanInputs {
  /** Undefined where one of them can't be read: then nothing can be counted. */
  readonly prompts: Prompts | undefined;
  readonly benchmarks: readonly ReadBenchmark[];
  /** Undefined where its files aren't on this machine. */
  readonly source: PlanSource | undefined;
  readonly humanPairs: number;
  readonly uncounted: readonly string[];
}

export interface ReadBenchmark extends SampledBenchmark {
  /** Of all its items. */
  readonly count: number;
  /** Whether its script asks once more after some answers. */
  readonly followsUp: boolean;
  readonly items: readonly BenchmarkItem[];
}

/** Requests of a benchmark whose prompts are counted. */
const SAMPLED_REQUESTS = 64;

export async function readPlanInputs(
  deps: LocalDependencies,
  configuration: Configuration,
): Promise<PlanInputs> {
  const uncounted: string[] = [];
  const orUncounted = async <T>(what: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      uncounted.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const prompts = await orUncounted('requests', () => readPrompts(deps, configuration));
  const benchmarks: ReadBenchmark[] = [];
  for (const { name, format, path } of configuration.evaluation.benchmarks) {
    const read = await orUncounted(`evaluation on ${name}`, () => readBenchmark(deps, name, format, path));
    if (read !== undefined) benchmarks.push(read);
  }
  const what = configuration.pairs.kind === 'given' ? 'the given pairs' : 'the pool';
  const source = await orUncounted(what, () => readSource(deps, configuration, benchmarks));
  let humanPairs = 0;
  for (const [number, entry] of configuration.filtering.humanData.entries()) {
    const { filters } = generationOf(configuration).instructions;
    const layoutField = `filtering.humanData.${number}.layout`;
    const read = async () => {
      const files = await filesOnThisMachine(deps, [entry.path]);
      const toRead = { ...entry, layoutField, decontamination: filters.decontamination, maximum: null };
      return (await samplePairs(files, toRead, benchmarks)).pairs;
    };
    humanPairs += (await orUncounted(`the human pairs of ${entry.name}`, read)) ?? 0;
  }
  return { prompts, benchmarks, source, humanPairs, uncounted };
}

async function readBenchmark(
  deps: LocalDependencies,
  name: string,
  format: Parameters<typeof benchmarkOf>[0],
  path: string,
): Promise<ReadBenchmark> {
  const benchmark = benchmarkOf(format);
  const { items } = await benchmark.read(resolveInput(deps.files, path));
  const requests = items.flatMap((item) => benchmark.requests(item));
  return {
    name,
    requests: evenly(requests, SAMPLED_REQUESTS),
    count: requests.length,
    followsUp: benchmark.followUp !== undefined,
    items,
  };
}

async function readSource(
  deps: LocalDependencies,
  configuration: Configuration,
  benchmarks: readonly ReadBenchmark[],
): Promise<PlanSource> {
  const files = await filesOnThisMachine(deps, filesIn(configuration));
  const generation = generationIn(configuration);
  if (generation !== undefined)
    return { ...(await samplePool(files, generation.instructions, benchmarks)), files };
  const { pairs } = configuration;
  if (pairs.kind !== 'given') throw new Error('there are no instructions to make pairs from');
  return { ...(await samplePairs(files, { ...pairs, layoutField: 'pairs.layout' }, benchmarks)), files };
}

/** @throws Error where a file is missing, or is one of the hub that isn't fetched */
async function filesOnThisMachine(deps: LocalDependencies, entries: readonly string[]): Promise<DataFile[]> {
  const files = await filesThere(deps, entries);
  if (files === undefined)
    throw new Error(`not all of ${entries.filter(isHubUri).join(', ')} is fetched yet; the run fetches it`);
  return files;
}
