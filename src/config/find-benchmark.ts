import { InvalidInput } from '../platform/invalid-input.ts';
import type { Configuration } from './run-configuration.ts';

/** Finds a benchmark of the configuration by its name. */
export function findBenchmark(evaluation: Configuration['evaluation'], name: string | undefined) {
  const found = evaluation.benchmarks.find((benchmark) => benchmark.name === name);
  if (found === undefined)
    throw new InvalidInput(`evaluation.benchmarks has none named ${JSON.stringify(name)}`);
  return found;
}
