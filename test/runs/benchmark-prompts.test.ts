import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import {
  benchmarkPromptSources,
  benchmarkPrompts,
  readBenchmarkPrompts,
} from '../../src/runs/benchmark-prompts.ts';
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

  it('of this package end as the official parsers need it, and name this package as their source', async () => {
    const formats = ['llmbar', 'eval-bias-bench', 'judge-bench', 'reasoning-judge-bench'] as const;
    const benchmarks = [...formats, 'reward-bench-2', 'reward-bench-2-ratings'].map((format) => ({
      name: format,
      format,
      path: 'x',
      purpose: 'test',
    }));
    const prompts = await readBenchmarkPrompts({ files }, evaluationOf(benchmarks));
    const marks: Record<(typeof formats)[number], [string, string]> = {
      llmbar: ['Therefore, Output (a) is better.', 'Therefore, Output (b) is better.'],
      'eval-bias-bench': ['Output (a)', 'Output (b)'],
      'judge-bench': ['[[A>>B]]', '[[B>A]]'],
      'reasoning-judge-bench': ['Verdict: [[A>B]]', '[[B>A]]'],
    };
    for (const format of formats) {
      const template = prompts[format]?.['pairwise'] ?? assert.fail(format);
      for (const [index, mark] of marks[format].entries()) {
        assert(`${template.system}${template.user}`.includes(mark), `${format}: ${mark}`);
        assert.equal(benchmarkOf(format).officialVerdict(mark, 'pairwise'), index === 0 ? 'A' : 'B');
      }
      assert.match(
        benchmarkPromptSources(prompts, format)['pairwise'] ?? '',
        new RegExp(`^this package's prompts/${format} \\(text [\\da-f]{8}\\)$`),
      );
    }
    // The official prompt is one message.
    assert.equal(prompts['eval-bias-bench']?.['pairwise']?.system, undefined);
    const [rating, ties] = [
      prompts['reward-bench-2-ratings']?.['rating']?.user ?? '',
      prompts['reward-bench-2']?.['ties-rating']?.user ?? '',
    ];
    // The official parser takes `**8**` and `8.` for no rating.
    for (const prompt of [rating, ties])
      assert.match(prompt, /Do not use any markdown, and do not write anything after/);
    // Everything but the first rule is the same, and the judge isn't told what Ties tests.
    assert.equal(rating.replace(/^1- .*$/m, ''), ties.replace(/^1- .*$/m, ''));
    assert.doesNotMatch(ties, /right answers|correct answers/);
  });
});
