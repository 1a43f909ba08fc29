/** Reads the files that an estimate counts. A file that can't be read is named, and the rest is counted without it. */
import type { BenchmarkItem, JudgeRequest } from '../benchmarks/benchmark.ts';
import { loadBenchmark } from '../benchmarks/registry.ts';
import { decontaminationOf, requireGeneration, sourceFiles } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { cachedFilesOf, type DataFileAccess } from '../datasets/data-files.ts';
import { isHubUri } from '../datasets/hub-files.ts';
import type { DataFile } from '../datasets/rows/data-file.ts';
import { resolveInputPath } from '../platform/input-files.ts';
import { limitedPairMaker } from '../runs/limited-pairs.ts';
import { readPrompts, type Prompts } from '../runs/prompts.ts';
import {
  sampleEvenly,
  samplePairs,
  samplePool,
  sampleTask,
  type PairsSample,
  type PairsSampleOptions,
  type PoolSample,
  type TaskSample,
} from './sample-source.ts';

/** The pool of instructions, or the provided pairs. */
export type EstimateSource = (PoolSample | PairsSample) & { readonly files: readonly DataFile[] };

export interface EstimateInputs {
  /** Undefined if one of them can't be read: then nothing can be counted. */
  readonly prompts: Prompts | undefined;
  readonly benchmarks: readonly SampledBenchmark[];
  /** Undefined if not all of its files are on this machine. */
  readonly source: EstimateSource | undefined;
  readonly humanPairs: number;
  /** The records of tasks beyond pairs. */
  readonly tasks: readonly TaskSample[];
  /** What could not be read, and why. */
  readonly uncounted: readonly string[];
}

export interface SampledBenchmark {
  readonly name: string;
  /** Some of its requests, evenly spaced over all of them. */
  readonly requests: readonly JudgeRequest[];
  /** All its requests. */
  readonly count: number;
  /** Whether it sends a second request after some answers. */
  readonly followsUp: boolean;
  readonly items: readonly BenchmarkItem[];
}

/** Requests of a benchmark whose tokens are counted. */
const SAMPLED_REQUESTS = 64;

export async function readEstimateInputs(
  deps: DataFileAccess,
  configuration: Configuration,
): Promise<EstimateInputs> {
  const uncounted: string[] = [];
  const orUncounted = async <T>(name: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      uncounted.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const prompts = await orUncounted('requests', () => readPrompts(deps, configuration));
  const benchmarks: SampledBenchmark[] = [];
  for (const entry of configuration.evaluation.benchmarks) {
    const loaded = await orUncounted(`evaluation on ${entry.name}`, () => readBenchmark(deps, entry));
    if (loaded !== undefined) benchmarks.push(loaded);
  }
  const sourceName = configuration.pairs.kind === 'provided' ? 'the provided pairs' : 'the pool';
  const source = await orUncounted(sourceName, () =>
    readSource(deps, configuration, benchmarks, prompts && limitedPairMaker({ configuration, prompts })),
  );
  let humanPairs = 0;
  for (const [number, entry] of configuration.filtering.humanData.entries()) {
    const { decontamination } = requireGeneration(configuration).instructions.filters;
    const formatField = `filtering.humanData.${number}.format`;
    const options = { ...entry, formatField, decontamination, maxPairs: null };
    const sample = await orUncounted(`the human pairs of ${entry.name}`, async () =>
      samplePairs(await localFiles(deps, [entry.path]), options, benchmarks),
    );
    humanPairs += sample?.pairs ?? 0;
  }
  const tasks: TaskSample[] = [];
  for (const { task, files } of configuration.pairs.tasks) {
    const sample = await orUncounted(`the records of the task ${task}`, async () =>
      sampleTask(task, await localFiles(deps, files), decontaminationOf(configuration), benchmarks),
    );
    if (sample !== undefined) tasks.push(sample);
  }
  return { prompts, benchmarks, source, humanPairs, tasks, uncounted };
}

async function readBenchmark(
  { files }: DataFileAccess,
  { name, format, path }: Configuration['evaluation']['benchmarks'][number],
): Promise<SampledBenchmark> {
  const benchmark = await loadBenchmark(format);
  const { items } = await benchmark.read(resolveInputPath(files, path));
  const requests = items.flatMap((item) => benchmark.requests(item));
  return {
    name,
    requests: sampleEvenly(requests, SAMPLED_REQUESTS),
    count: requests.length,
    followsUp: benchmark.followUp !== undefined,
    items,
  };
}

async function readSource(
  deps: DataFileAccess,
  configuration: Configuration,
  benchmarks: readonly SampledBenchmark[],
  withLimits: PairsSampleOptions['withLimits'],
): Promise<EstimateSource> {
  const files = await localFiles(deps, sourceFiles(configuration));
  const { pairs } = configuration;
  const sample =
    pairs.kind === 'provided'
      ? await samplePairs(
          files,
          { ...pairs, formatField: 'pairs.format', ...(withLimits && { withLimits }) },
          benchmarks,
        )
      : await samplePool(files, requireGeneration(configuration).instructions, benchmarks);
  return { ...sample, files };
}

/** @throws Error if a file does not exist, or has to be downloaded from the hub first */
async function localFiles(deps: DataFileAccess, entries: readonly string[]): Promise<DataFile[]> {
  const files = await cachedFilesOf(deps, entries);
  if (files !== undefined) return files;
  const names = entries.filter(isHubUri).join(', ');
  throw new Error(`not all files of ${names} are downloaded yet; the run downloads them`);
}
