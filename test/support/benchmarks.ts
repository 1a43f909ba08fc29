import type { Benchmark } from '../../src/benchmarks/benchmark.ts';
import type { benchmarkLoaders } from '../../src/benchmarks/registry.ts';
import { BENCHMARK_FORMATS, loadBenchmark, type BenchmarkFormat } from '../../src/benchmarks/registry.ts';

const loaded = await Promise.all(
  BENCHMARK_FORMATS.map(async (format) => [format, await loadBenchmark(format)] as const),
);

/** All benchmarks, loaded, each with its own type. */
export const benchmarks = Object.fromEntries(loaded) as unknown as {
  readonly [Format in BenchmarkFormat]: Awaited<ReturnType<(typeof benchmarkLoaders)[Format]>>;
};

export function benchmarkOf(format: BenchmarkFormat): Benchmark {
  return benchmarks[format];
}
