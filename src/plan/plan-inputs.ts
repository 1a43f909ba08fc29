/** Reads what a plan counts: what can't be read is named, and the rest is counted without it. */
import { readPrompts } from '../activities/plan-run.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import type { Prompts } from '../activities/open-run.ts';
import { poolFilesThere } from '../activities/pool-files.ts';
import type { BenchmarkItem } from '../benchmarks/benchmark.ts';
import { countRows } from '../benchmarks/read-rows.ts';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { resolveInput } from '../config/input-files.ts';
import type { Configuration } from '../config/schema.ts';
import type { PoolFile } from '../pools/collect-instructions.ts';
import { evenly, samplePool, type PoolSample } from './pool-sample.ts';
import type { SampledBenchmark } from './prompt-sizes.ts';

export interface PlanInputs {
  /** Undefined where one of them can't be read: then nothing can be counted. */
  readonly prompts: Prompts | undefined;
  readonly benchmarks: readonly ReadBenchmark[];
  /** Undefined where the pool isn't on this machine. */
  readonly pool: (PoolSample & { readonly files: readonly PoolFile[] }) | undefined;
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
/** HelpSteer2 has a row for each of a pair's responses. */
const ROWS_OF_A_PAIR = { preference: 1, helpsteer2: 2 } as const;

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
  const pool = await orUncounted('the pool', () => readPool(deps, configuration, benchmarks));
  let humanPairs = 0;
  for (const { name, path, layout } of configuration.filtering.humanData) {
    const read = async () => (await countRows(resolveInput(deps.files, path))) / ROWS_OF_A_PAIR[layout];
    humanPairs += (await orUncounted(`the human pairs of ${name}`, read)) ?? 0;
  }
  return { prompts, benchmarks, pool, humanPairs: Math.floor(humanPairs), uncounted };
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

async function readPool(
  deps: LocalDependencies,
  { instructions }: Configuration,
  benchmarks: readonly ReadBenchmark[],
): Promise<PlanInputs['pool']> {
  const files = new Map<string, PoolFile>();
  for (const entry of instructions.pool) {
    const found = await poolFilesThere(deps, entry);
    if (found === undefined) throw new Error(`${entry} is not fetched yet; the run fetches it`);
    // Two patterns may meet the same file.
    for (const file of found) files.set(file.path, file);
  }
  const all = [...files.values()];
  return { ...(await samplePool(all, instructions, benchmarks)), files: all };
}
