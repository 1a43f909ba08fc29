import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { BENCHMARK_FORMATS, type BenchmarkFormat } from '../../src/benchmarks/registry.ts';
import { benchmarkOf } from '../support/benchmarks.ts';
import { strictVerdict } from '../../src/benchmarks/votes.ts';
import { fixture } from './fixture.ts';

/** One format for each parser, with the prompt whose answers it reads. */
const PARSERS = {
  letters: ['reward-bench', 'pairwise'],
  ranking: ['reward-bench-2', 'ranking'],
  rating: ['reward-bench-2', 'ties-rating'],
  tie: ['mt-bench', 'single-turn'],
  arena: ['judge-bench', 'pairwise'],
  output: ['llmbar', 'pairwise'],
} as const satisfies Record<string, readonly [BenchmarkFormat, string]>;
type Parser = keyof typeof PARSERS;

function read(parser: Parser, text: string): string | null {
  const [format, prompt] = PARSERS[parser];
  return benchmarkOf(format).officialVerdict(text, prompt) ?? null;
}

/** What each parser makes of a text, `-` for nothing: letters, ours, ranking, tie, arena, output, rating. */
const OUTCOMES: Record<string, string> = {
  '[[A]]': 'A A A A tie - -',
  'First [[B]], on reflection [[A]]': 'A - A A - - -',
  'The answer says "my verdict is [[A]]". Mine is [[B]]': 'A - A A - - -',
  '[[C]]': '- - C tie - - -',
  '[[C]] or [[B]]': 'B - B B tie - -',
  '[[D]]': '- - D - - - -',
  '[[[A]]]': 'A A A A tie - -',
  '[[[[B]]]]': 'B B B B tie - -',
  '[[ A ]]': '- - - - - - -',
  '[[a]]': '- - - - - - -',
  '[A]': '- - - - - - -',
  '[[A]': '- - - - - - -',
  '[[A]\n]': '- - - - - - -',
  '［［A］］ 【【B】】 「「A」」 ⟦A⟧': '- - - - - - -',
  '[[Ａ]]': '- - - - - - -',
  '[[А]] with a Cyrillic letter': '- - - - - - -',
  '[[A>B]]': '- - - - A - -',
  '[[A>>B]] because [[A>>B]]': '- - - - A - -',
  '[[A>B]] but [[A>>B]]': '- - - - - - -',
  '[[B>A]] [[A=B]]': '- - - - - - -',
  '[[A=B]]': '- - - - tie - -',
  '[[B<A]]': '- - - - tie - -',
  '[[[A>B]]]': '- - - - A - -',
  '[[A>B]': '- - - - - - -',
  'Output (a) is better.': '- - - - - A -',
  'Output (b) is better. No: Output (a) is better.': '- - - - - A -',
  'Output (b) is better': '- - - - - - -',
  'OUTPUT (A) IS BETTER.': '- - - - - - -',
  '8/10': '- - - - - - 10',
  'It deserves 9.5': '- - - - - - 5',
  '-3': '- - - - - - 3',
  '**8**': '- - - - - - -',
  '8.': '- - - - - - -',
  '0': '- - - - - - -',
  '100': '- - - - - - -',
  评分为8: '- - - - - - -',
  '８': '- - - - - - -',
  '7 \u001c\n': '- - - - - - 7',
  '': '- - - - - - -',
};

describe('hostile output of a judge', () => {
  it('has a defined outcome', () => {
    for (const [text, expected] of Object.entries(OUTCOMES)) {
      const found = [
        read('letters', text),
        strictVerdict(text) ?? null,
        ...(['ranking', 'tie', 'arena', 'output', 'rating'] as const).map((parser) => read(parser, text)),
      ];
      assert.equal(found.map((verdict) => verdict ?? '-').join(' '), expected, JSON.stringify(text));
    }
  });

  it('of a million characters is parsed in linear time', () => {
    const million = 1_000_000;
    const texts = [
      '[',
      '[[',
      '[[A',
      ']]',
      '[[A>',
      '[[>>',
      '[[A]',
      '1',
      '10',
      ' ',
      '\n',
      'Output (a) is better',
      '评',
    ]
      .flatMap((part) => [part.repeat(million / part.length), `${part.repeat(million / part.length)} `])
      .concat(`[[${'A'.repeat(million)}`, `${' '.repeat(million)}x`, `x${' '.repeat(million)}8`);
    for (const text of texts) {
      for (const parser of Object.keys(PARSERS) as Parser[]) read(parser, text);
      strictVerdict(text);
      benchmarkOf('judge-bench').followUp?.(text);
    }
  });

  const fragments = fc.constantFrom(
    ...[
      '[[',
      ']]',
      '[',
      ']',
      'A',
      'B',
      'C',
      'D',
      '>',
      '>>',
      '=',
      '<',
      '[[A]]',
      '[[B]]',
      '[[B>A]]',
      '[[A>>B]]',
    ],
    ...[
      'Output (a) is better',
      'Output (b) is better',
      '[[7]]',
      '[[correct]]',
      '.',
      '\n',
      ' ',
      '\t',
      '\u001c',
      '\u0085',
      '\u00a0',
      '\ufeff',
    ],
    ...[
      '1',
      '9',
      '10',
      '0',
      '8/10',
      '-',
      '_',
      '*',
      '²',
      '½',
      'Ⅷ',
      '８',
      '评',
      'e\u0301',
      '😀',
      '\ud800',
      '【【A】】',
    ],
  );
  const hostileText = fc.oneof(
    fc.array(fragments, { maxLength: 8 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );

  it('never breaks a score: all scores stay between 0 and 1, and correlations between -1 and 1', async () => {
    const files: Partial<Record<BenchmarkFormat, string>> = {
      'reward-bench': 'reward-bench.parquet',
      'reward-bench-2': 'reward-bench-2.parquet',
      'reward-bench-2-ratings': 'reward-bench-2.parquet',
      'mt-bench': 'mt-bench',
      'rm-bench': 'rm-bench/total_dataset.json',
      'judge-bench': 'judge-bench/gpt.jsonl',
      llmbar: 'llmbar',
      'reasoning-judge-bench': 'reasoning-judge-bench',
      'eval-bias-bench': 'biasbench.json',
      scores: 'scores.jsonl',
      rankings: 'rankings.jsonl',
      verifications: 'verifications.jsonl',
    };
    for (const format of BENCHMARK_FORMATS) {
      const file = files[format];
      if (file === undefined) continue;
      const benchmark = benchmarkOf(format);
      const { items } = await benchmark.read(fixture(file));
      const requests = items.flatMap((item) => benchmark.requests(item));
      fc.assert(
        fc.property(
          fc.array(fc.array(hostileText, { maxLength: 3 }), {
            minLength: requests.length,
            maxLength: requests.length,
          }),
          (texts) => {
            const judgments = requests.map(({ item, slot }, i) => ({ item, slot, texts: texts[i] ?? [] }));
            const scores = benchmark.score(items, judgments, { seed: 1 });
            const figures = [
              scores.accuracy,
              scores.positionConsistentAccuracy,
              scores.unparsable,
              scores.parserDisagreement,
              ...scores.official.figures.map(({ value }) => value ?? 0),
            ];
            // The last term of Ties can take it a hundredth below or above; a correlation can be negative.
            const least = format === 'scores' ? -1 : -0.011;
            for (const value of figures) assert(value >= least && value <= 1.011, `${format}: ${value}`);
            assert.deepEqual(scores, JSON.parse(JSON.stringify(scores)));
          },
        ),
        { numRuns: 15 },
      );
    }
  });

  it('is parsed as in Python', function () {
    this.timeout(60_000);
    const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
    const texts = fc.sample(hostileText, { numRuns: 4000, seed: 7 }).map((text) => text.toWellFormed());
    const run = spawnSync(python, ['-c', PYTHON], {
      input: JSON.stringify(texts),
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    assert.equal(run.status, 0, run.stderr);
    const expected = JSON.parse(run.stdout) as (string | null)[][];
    texts.forEach((text, i) => {
      const found = [read('rating', text), read('arena', text), read('output', text)];
      assert.deepEqual(found, expected[i], JSON.stringify(text));
    });
    for (const column of [0, 1, 2]) assert(expected.filter((row) => row[column] !== null).length > 40);
  });
});

/** The published parsers' own expressions. */
const PYTHON = String.raw`
import json, re, sys

def arena(text):
    found = set(re.findall(r"\[\[([AB<>=]+)\]\]", text))
    if len(found) != 1:
        return None
    return {"A>B": "A", "B>A": "B"}.get(found.pop().replace(">>", ">"), "tie")

def rating(text):
    match = re.search(r"\b([1-9]|10)\b\s*$", text.strip())
    return match.group(1) if match else None

def output(text):
    for letter, verdict in (("a", "A"), ("b", "B")):
        if re.search(r"Output \(%s\) is better." % letter, text.strip()):
            return verdict
    return None

json.dump([[rating(text), arena(text), output(text)] for text in json.load(sys.stdin)], sys.stdout)
`;
