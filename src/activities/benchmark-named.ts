import { InputProblem } from '../artifacts/errors.ts';
import type { Configuration } from '../config/schema.ts';

/** A benchmark of the configuration by its name. */
export function benchmarkNamed(evaluation: Configuration['evaluation'], name: string | undefined) {
  const found = evaluation.benchmarks.find((benchmark) => benchmark.name === name);
  if (found === undefined)
    throw new InputProblem(`evaluation.benchmarks has none named ${JSON.stringify(name)}`);
  return found;
}
