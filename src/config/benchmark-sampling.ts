import { officialSampling } from '../benchmarks/registry.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import type { Configuration } from './run-configuration.ts';

/** The same as a type whose fields may be those of a fingerprint. */
type SamplingFields = Pick<SamplingParameters, keyof SamplingParameters>;
type Evaluation = Pick<Configuration['evaluation'], 'sampling'>;
type ConfiguredBenchmark = Pick<Configuration['evaluation']['benchmarks'][number], 'format' | 'sampling'>;

/** The sampling of single judgments outside benchmarks, such as in `judge.json`, if nothing is configured. */
const DEFAULT_SAMPLING: SamplingParameters = { temperature: 0, topP: 1, maxTokens: 2048 };

/** How the answers to a prompt of a benchmark are sampled: as configured, or else as its official script does. */
export function benchmarkSampling(
  evaluation: Evaluation,
  benchmark: ConfiguredBenchmark,
  prompt: string,
): SamplingParameters {
  const byPrompt = samplingByPrompt(evaluation, benchmark);
  return byPrompt[prompt] ?? byPrompt['default'] ?? DEFAULT_SAMPLING;
}

/** The ways in which the answers of a benchmark are sampled. */
export function benchmarkSamplings(
  evaluation: Evaluation,
  benchmark: ConfiguredBenchmark,
): readonly SamplingParameters[] {
  return Object.values(samplingByPrompt(evaluation, benchmark));
}

/** The sampling as an input of a fingerprint: by prompt only if it differs. */
export function samplingFingerprintInputs(
  evaluation: Evaluation,
  benchmark: ConfiguredBenchmark,
): SamplingFields | { [prompt: string]: SamplingFields } {
  const byPrompt = samplingByPrompt(evaluation, benchmark);
  return byPrompt['default'] ?? { ...byPrompt };
}

/** Describes the sampling for reports: "temperature 0, top_p 1, at most 2048 tokens". */
export function describeSampling(evaluation: Evaluation, benchmark: ConfiguredBenchmark): string {
  return Object.entries(samplingByPrompt(evaluation, benchmark))
    .map(([prompt, { temperature, topP, maxTokens }]) => {
      const name = prompt === 'default' ? '' : ` (${prompt})`;
      return `temperature ${temperature}, top_p ${topP}, at most ${maxTokens} tokens${name}`;
    })
    .join('; ');
}

/** The sampling of single judgments outside benchmarks. */
export function judgeSampling(evaluation: Evaluation): SamplingParameters {
  return evaluation.sampling ?? DEFAULT_SAMPLING;
}

function samplingByPrompt(
  evaluation: Evaluation,
  { format, sampling }: ConfiguredBenchmark,
): Readonly<Record<string, SamplingParameters>> {
  const configured = sampling ?? evaluation.sampling;
  return configured === undefined ? officialSampling(format) : { default: configured };
}
