import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { benchmarkPrompts, readBenchmarkPrompts } from '../../src/runs/benchmark-prompts.ts';
import { BENCHMARK_FORMATS } from '../../src/benchmarks/registry.ts';
import { benchmarkOf } from '../support/benchmarks.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { renderPrompt } from '../../src/method/prompt-template.ts';

const files = { roots: [resolve(import.meta.dirname, '../..')] };

function evaluationOf(benchmarks: object[]) {
  const { usable } = parseConfiguration({ evaluation: { benchmarks } });
  assert(usable.evaluation);
  return usable.evaluation;
}

describe("benchmarks' prompts", () => {
  it('exist for every benchmark, and show each value once, or once for each conversation', async () => {
    const evaluation = evaluationOf(
      BENCHMARK_FORMATS.map((format) => ({ name: format, format, path: 'x.jsonl', purpose: 'test' })),
    );
    const prompts = await readBenchmarkPrompts({ files }, evaluation);
    for (const format of BENCHMARK_FORMATS) {
      for (const [name, needed] of Object.entries(benchmarkOf(format).prompts.requiredPlaceholders)) {
        const template = prompts[format]?.[name];
        assert(template, `${format}: ${name}`);
        const values = Object.fromEntries(
          needed.map((placeholder) => [placeholder, `<${placeholder}> $& {instruction}`]),
        );
        const text = renderPrompt(template, values)
          .map(({ content }) => content)
          .join('\n');
        for (const placeholder of needed)
          assert(text.includes(`<${placeholder}> $& {instruction}`), `${format}: ${name}`);
        assert.doesNotMatch(text.replaceAll('$& {instruction}', ''), /\{[a-zA-Z]+\}/);
      }
    }
  });

  it("are the configured one of the benchmark, or else the benchmark's own, or else evaluation.prompt", async () => {
    const benchmark = { path: 'x.jsonl', purpose: 'test' };
    const found = await benchmarkPrompts(
      evaluationOf([
        { ...benchmark, name: 'a', format: 'reward-bench' },
        { ...benchmark, name: 'b', format: 'judge-bench' },
        { ...benchmark, name: 'c', format: 'llmbar', prompt: 'my/prompt' },
        { ...benchmark, name: 'd', format: 'reward-bench-2', prompt: 'my/prompts' },
      ]),
    );
    assert.deepEqual(
      found.map(({ benchmark: of, folder, path }) => [of, folder, path]),
      [
        ['a', 'prompts/pairwise', 'evaluation.prompt'],
        ['b', 'prompts/judge-bench', 'evaluation.benchmarks.1.prompt'],
        ['c', 'my/prompt', 'evaluation.benchmarks.2.prompt'],
        ['d', 'my/prompts/ranking', 'evaluation.benchmarks.3.prompt'],
        ['d', 'my/prompts/ties-rating', 'evaluation.benchmarks.3.prompt'],
      ],
    );
  });
});
