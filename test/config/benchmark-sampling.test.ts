import assert from 'node:assert/strict';
import { BENCHMARK_FORMATS, type BenchmarkFormat } from '../../src/benchmarks/registry.ts';
import {
  benchmarkSampling,
  benchmarkSamplings,
  describeSampling,
  judgeSampling,
  samplingFingerprintInputs,
} from '../../src/config/benchmark-sampling.ts';
import { benchmarkOf } from '../support/benchmarks.ts';

/** The limits of the official scripts that are not 2048, as their repositories have them. */
const OFFICIAL_LIMITS: Record<string, number> = {
  'judge-bench/pairwise': 4096,
  'judge-bench-pairwise/pairwise': 4096,
  'llmbar/pairwise': 300,
  'reasoning-judge-bench/pairwise': 1024,
  'reasoning-judge-bench-pairwise/pairwise': 1024,
  'eval-bias-bench/pairwise': 20,
  'reward-bench-2/ties-rating': 1024,
  'reward-bench-2-ratings/rating': 1024,
  'reward-bench-2-ratings/ties-rating': 1024,
};
const warm = { temperature: 0.7, topP: 0.9, maxTokens: 9 };

describe('the sampling of a benchmark', () => {
  it('is that of its official script for each of its prompts, at temperature 0', () => {
    for (const format of BENCHMARK_FORMATS)
      for (const prompt of Object.keys(benchmarkOf(format).prompts.requiredPlaceholders))
        assert.deepEqual(
          benchmarkSampling({}, { format }, prompt),
          { temperature: 0, topP: 1, maxTokens: OFFICIAL_LIMITS[`${format}/${prompt}`] ?? 2048 },
          `${format}/${prompt}`,
        );
  });

  it('is evaluation.sampling if that is configured, and rather its own', () => {
    const own = { ...warm, maxTokens: 7 };
    assert.equal(benchmarkSampling({ sampling: warm }, { format: 'llmbar' }, 'pairwise'), warm);
    assert.equal(benchmarkSampling({ sampling: warm }, { format: 'llmbar', sampling: own }, 'pairwise'), own);
    assert.equal(judgeSampling({ sampling: warm }), warm);
    assert.equal(judgeSampling({}).maxTokens, 2048);
  });

  it('is one input of the fingerprint, and by prompt only if the prompts differ', () => {
    const inputs = (format: BenchmarkFormat, sampling?: typeof warm) =>
      samplingFingerprintInputs(sampling === undefined ? {} : { sampling }, { format });
    assert.deepEqual(inputs('rm-bench'), { temperature: 0, topP: 1, maxTokens: 2048 });
    assert.deepEqual(inputs('reward-bench-2', warm), warm);
    assert.deepEqual(inputs('reward-bench-2'), {
      ranking: { temperature: 0, topP: 1, maxTokens: 2048 },
      'ties-rating': { temperature: 0, topP: 1, maxTokens: 1024 },
    });
    assert.deepEqual(
      benchmarkSamplings({}, { format: 'reward-bench-2' }).map(({ maxTokens }) => maxTokens),
      [2048, 1024],
    );
    assert.equal(
      describeSampling({}, { format: 'reward-bench-2' }),
      'temperature 0, top_p 1, at most 2048 tokens (ranking); temperature 0, top_p 1, at most 1024 tokens (ties-rating)',
    );
  });
});
