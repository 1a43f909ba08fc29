import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { InvalidBenchmarkFile } from '../../src/benchmarks/benchmark.ts';
import { BENCHMARK_FORMATS, type BenchmarkFormat } from '../../src/benchmarks/registry.ts';
import { UnreadableFile } from '../../src/datasets/rows/read-rows.ts';
import { benchmarkOf, benchmarks } from '../support/benchmarks.ts';
import { figureNamed, fixture, judgeEachItem } from './fixture.ts';

const FILES: Record<BenchmarkFormat, string> = {
  'reward-bench': 'reward-bench.parquet',
  'reward-bench-2': 'reward-bench-2.parquet',
  'reward-bench-2-ratings': 'reward-bench-2.parquet',
  'mt-bench': 'mt-bench',
  helpsteer2: 'helpsteer2/validation.jsonl.gz',
  'helpsteer2-preference': 'helpsteer2/preference.jsonl.gz',
  helpsteer3: 'helpsteer3/validation.jsonl.gz',
  'judge-bench': 'judge-bench/gpt.jsonl',
  'judge-bench-pairwise': 'judge-bench/gpt.jsonl',
  'rm-bench': 'rm-bench/total_dataset.json',
  llmbar: 'llmbar',
  'llmbar-pairwise': 'llmbar',
  'ppe-preference': 'ppe/preference.parquet',
  'ppe-correctness': 'ppe/correctness',
  'reasoning-judge-bench': 'reasoning-judge-bench',
  'reasoning-judge-bench-pairwise': 'reasoning-judge-bench',
  'eval-bias-bench': 'biasbench.json',
  'eval-bias-bench-pairwise': 'biasbench.json',
  pairs: 'pairs.jsonl',
  ...{ scores: 'scores.jsonl', rankings: 'rankings.jsonl', verifications: 'verifications.jsonl' },
};

describe('the official format of', () => {
  for (const format of BENCHMARK_FORMATS) {
    it(`${format} gives items with an instruction and requests that fill the prompts`, async () => {
      const benchmark = benchmarkOf(format);
      const { items, warnings } = await benchmark.read(fixture(FILES[format]));
      assert(items.length > 0);
      assert.deepEqual(
        items.map(({ id }) => id),
        [...new Set(items.map(({ id }) => id))].sort(),
      );
      const requests = items.flatMap((item) => benchmark.requests(item));
      assert.equal(new Set(requests.map(({ id }) => id)).size, requests.length);
      for (const { id, item, slot, prompt, values } of requests) {
        assert.equal(id, `${item}/${slot}`);
        const needed = benchmark.prompts.requiredPlaceholders[prompt];
        assert.deepEqual(Object.keys(values).sort(), [...(needed ?? [])].sort(), id);
        for (const [name, value] of Object.entries(values)) assert.notEqual(value, '', `${id}: ${name}`);
      }
      for (const { instruction } of items) assert.match(instruction, /\w/);
      // The row counts of our files are never the official ones.
      if (!/^(pairs|helpsteer2-preference|scores|rankings|verifications)$/.test(format))
        assert.match(warnings.join(), /rows, .* has .*\d/);
    });
  }

  it('RewardBench 2 puts the correct answer into every position and keeps the others', async () => {
    const { items } = await benchmarks['reward-bench-2'].read(fixture('reward-bench-2.parquet'));
    const [ranked, , ref, tied] = items;
    assert(ranked && ref && tied);
    const shown = benchmarks['reward-bench-2']
      .requests(ranked)
      .map(({ values }) => Object.values(values).slice(1));
    assert.deepEqual(shown, [
      ['1969', '1968', '1970', '1986'],
      ['1968', '1969', '1970', '1986'],
      ['1970', '1968', '1969', '1986'],
      ['1986', '1968', '1970', '1969'],
    ]);
    assert.deepEqual(
      [ref.ties, tied.ties, tied.correct],
      [{ kind: 'ref', number: '0' }, { kind: 'tied', number: '0' }, 3],
    );
    assert.deepEqual(
      benchmarks['reward-bench-2'].requests(tied).map(({ prompt, values }) => [prompt, values['response']]),
      ['Monday', 'Sunday', 'Friday', 'June', 'Noon'].map((response) => ['ties-rating', response]),
    );
  });

  it('MT-Bench counts the votes by model and turn, and shows references if there are any', async () => {
    const { items } = await benchmarks['mt-bench'].read(fixture('mt-bench'));
    const [first, second, third] = items;
    assert(first && second && third);
    assert.deepEqual(first.votes, { human: { A: 2, B: 0, tie: 1 }, author: { A: 0, B: 1, tie: 0 } });
    assert.deepEqual([second.votes.human, third.votes.human.tie], [{ A: 0, B: 1, tie: 0 }, 1]);
    assert.deepEqual([first.subset, second.subset], ['turn 1: writing', 'turn 2: math']);
    const [aFirst, bFirst] = benchmarks['mt-bench'].requests(second);
    assert.equal(aFirst?.prompt, 'multi-turn-reference');
    assert.equal(bFirst?.values['answerATwo'], 'gamma two');
    assert.equal(bFirst?.values['referenceTwo'], '43');
    assert.equal(benchmarks['mt-bench'].requests(first)[0]?.prompt, 'single-turn');
  });

  it('MT-Bench without its reference answers names the questions that lack them', async () => {
    const { items, warnings } = await benchmarks['mt-bench'].read(fixture('mt-bench/human.parquet'));
    assert.match(
      warnings[1] ?? '',
      /1 questions of reasoning, math, coding are judged without a reference answer/,
    );
    assert(items.every(({ references }) => references === undefined));
  });

  it('HelpSteer is rendered turn by turn; equal, empty and foreign rows are excluded and counted', async () => {
    const two = await benchmarks.helpsteer2.read(fixture('helpsteer2/validation.jsonl.gz'));
    assert.deepEqual(two.excluded, { 'equally helpful pairs': 1 });
    assert.deepEqual(two.items[1], {
      id: '2',
      subset: 'helpfulness',
      instruction: 'User: Hello\n\nAssistant: Hello. How can I help?\n\nUser: Name a prime.',
      better: '7',
      worse: '8',
    });
    const preference = await benchmarks['helpsteer2-preference'].read(
      fixture('helpsteer2/preference.jsonl.gz'),
    );
    assert.deepEqual(preference.excluded, { 'rows of other splits': 1, ties: 1 });
    assert.deepEqual(
      preference.items.map(({ better }) => better),
      ['Apple.', '7'],
    );
    const three = await benchmarks.helpsteer3.read(fixture('helpsteer3/validation.jsonl.gz'));
    assert.deepEqual(three.excluded, { ties: 1, 'empty responses': 1 });
    assert.deepEqual(
      three.items.map(({ subset, better }) => [subset, better]),
      [
        ['general', 'Apple.'],
        ['code', 'print(1)'],
      ],
    );
  });

  it('PPE excludes ties, and takes the correct answer of a pair from the scores', async () => {
    const preference = await benchmarks['ppe-preference'].read(fixture('ppe/preference.parquet'));
    assert.deepEqual(
      preference.items.map(({ subset, better }) => [subset, better]),
      [
        ['English', 'Apple.'],
        ['German', 'Hallo.'],
      ],
    );
    assert.deepEqual(preference.excluded, { ties: 1 });
    const { items } = await benchmarks['ppe-correctness'].read(fixture('ppe/correctness'));
    assert.deepEqual(
      items.slice(0, 4).map(({ id, better, worse }) => [id, better, worse]),
      [
        ['gpqa-0-00', 'row 0, answer 1', 'row 0, answer 2'],
        ['gpqa-0-01', 'row 0, answer 31', 'row 0, answer 32'],
        ['gpqa-1-00', 'row 1, answer 2', 'row 1, answer 1'],
        ['gpqa-1-01', 'row 1, answer 32', 'row 1, answer 31'],
      ],
    );
    // Three of four pairs of one set and two of the other: the sets weigh the same.
    const benchmark = benchmarks['ppe-correctness'];
    const judgments = judgeEachItem(benchmark, items, ({ id }, slot) => {
      const right = id.startsWith('gpqa') ? id !== 'gpqa-0-00' : id.endsWith('00');
      return right === (slot === 'better-first') ? '[[A]]' : '[[B]]';
    });
    const scores = benchmark.score(items, judgments, { seed: 1 });
    assert.equal(figureNamed(scores, 'total, both orders'), (0.75 + 0.5) / 2);
    assert.equal(scores.outcomes[1]?.cluster, 'gpqa-0-00');
  });

  it('LLMBar is a folder of five sets, or one of its files', async () => {
    const all = await benchmarks.llmbar.read(fixture('llmbar'));
    assert.deepEqual(
      all.items.map(({ id, better }) => [id, better]),
      [
        ['GPTInst-000', 'Salut'],
        ['Natural-000', 'Apple.'],
        ['Natural-001', '7'],
      ],
    );
    assert.match(all.warnings.at(-1) ?? '', /these sets are missing: Neighbor, GPTOut, Manual/);
    const one = await benchmarks.llmbar.read(fixture('llmbar/Natural/dataset.json'));
    assert.deepEqual(one.items, all.items.slice(1));
  });

  it('ReasoningJudgeBench is a folder of thirteen splits, or the file of one', async () => {
    const benchmark = benchmarks['reasoning-judge-bench'];
    const all = await benchmark.read(fixture('reasoning-judge-bench'));
    assert.deepEqual(
      all.items.map(({ id, subset, instruction, better, worse }) => [id, subset, instruction, better, worse]),
      [
        ['aime-0000', 'aime', 'What is 2 + 3?', 'It is 5.', 'It is 6.'],
        ['aime-0001', 'aime', 'What is 2 * 3?', 'It is 6.', 'It is 5.'],
        ['strategy_qa-0000', 'strategy_qa', 'What is 2 + 3?', 'It is 5.', 'It is 6.'],
      ],
    );
    assert.match(all.warnings.join('\n'), /2 rows, but ReasoningJudgeBench has aime 23, so/);
    assert.match(
      all.warnings.at(-1) ?? '',
      /these splits are missing: aime_4o, arc_challenge, .*, supergpqa\.$/,
    );
    const one = await benchmark.read(
      fixture('reasoning-judge-bench/data/aime_pairwise-00000-of-00001.parquet'),
    );
    assert.deepEqual(one.items, all.items.slice(0, 2));
    assert.equal(one.warnings.length, 1);
    const { sections } = benchmark.score(all.items, [], { seed: 1 });
    assert.deepEqual(
      sections.map(({ name, pairs }) => [name, pairs]),
      [
        ['everyday', 1],
        ['math', 2],
      ],
    );
  });

  it('EvalBiasBench is one object of lists; the label may be a number or a digit', async () => {
    const { items, warnings } = await benchmarks['eval-bias-bench'].read(fixture('biasbench.json'));
    assert.deepEqual(
      items.map(({ id, subset, better }) => [id, subset, better]),
      [
        ['length_bias-00', 'length bias', 'Apple.'],
        ['length_bias-01', 'length bias', '7'],
        ['nested_instruction-00', 'nested_instruction', 'Not very.'],
      ],
    );
    assert.equal(warnings.length, 6);
  });

  it('own pairs may be Parquet, without a subset', async () => {
    const { items, warnings } = await benchmarks.pairs.read(fixture('pairs.parquet'));
    assert.deepEqual(items, [
      { id: '0', subset: 'all', instruction: 'Name a fruit.', better: 'Apple.', worse: 'Carrot.' },
    ]);
    assert.deepEqual(warnings, []);
  });
});

describe('a file that does not fit its benchmark', () => {
  let folder: string;

  it('may be a folder of own pairs in any format, with subsets from a column or from file names', async () => {
    const own = await mkdtemp(join(folder, 'own-'));
    const write = (name: string, rows: object[]) =>
      writeFile(join(own, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const turn = (role: string, content: string) => ({ role, content });
    await write('a.jsonl', [
      { prompt: 'Why?', chosen: 'So.', rejected: 'No.', subset: 'short' },
      { prompt: 'Same?', chosen: 'a', rejected: 'a' },
      {
        prompt: [turn('system', 'Be brief.'), turn('user', 'Hi.')],
        chosen: [turn('assistant', 'Hi!')],
        rejected: '',
      },
    ]);
    await write('b.jsonl', [{ instruction: 'Why?', responseA: 'x', responseB: 'y', betterSide: 'tie' }]);
    await write('notes.txt', []);
    const { items, excluded: leftOut } = await benchmarks.pairs.read(own);
    assert.deepEqual(items, [
      { id: '0', subset: 'short', instruction: 'Why?', better: 'So.', worse: 'No.' },
      { id: '2', subset: 'a', instruction: 'System: Be brief.\n\nUser: Hi.', better: 'Hi!', worse: '' },
    ]);
    assert.deepEqual(leftOut, { 'equal responses': 1, tie: 1 });
    await write('b.jsonl', [
      { instruction: 'Why?', better: 'x', worse: 'y' },
      { instruction: 'Why?', better: 'x' },
    ]);
    await assert.rejects(benchmarks.pairs.read(own), {
      name: 'InvalidBenchmarkFile',
      message:
        /own-.*: 1 row can't be used \(rows are counted from 0\):\n {2}b\.jsonl row 1: no field "worse"/,
    });
    await assert.rejects(benchmarks.pairs.read(await mkdtemp(join(folder, 'none-'))), {
      message: /none-.*: this folder contains no \.parquet, \.jsonl or \.json file/,
    });
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'layouts-'));
  });

  after(() => rm(folder, { recursive: true }));

  async function rowsOf(name: string): Promise<Record<string, unknown>[]> {
    const bytes = await readFile(fixture(name));
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    if (name.endsWith('.json')) return JSON.parse(text) as Record<string, unknown>[];
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** The message with which a changed copy of a fixture is refused. */
  async function refusalOf(format: BenchmarkFormat, rows: object[]): Promise<string> {
    const file = join(folder, 'changed.jsonl');
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const error: unknown = await benchmarkOf(format)
      .read(file)
      .catch((thrown: unknown) => thrown);
    assert(error instanceof InvalidBenchmarkFile, `${format}: ${String(error)}`);
    assert(error.message.includes(file));
    return error.message;
  }

  const textFormats: [BenchmarkFormat, string][] = [
    ['helpsteer2', 'response'],
    ['helpsteer2-preference', 'preference_strength'],
    ['helpsteer3', 'context'],
    ['judge-bench', 'label'],
    ['rm-bench', 'chosen'],
  ];
  for (const [format, column] of textFormats) {
    it(`is rejected by name: ${format} without ${column}, and without rows`, async () => {
      const rows = await rowsOf(FILES[format]);
      assert.match(
        await refusalOf(
          format,
          rows.map(({ [column]: _dropped, ...rest }) => rest),
        ),
        new RegExp(`row 0: ${column}: .*expected`),
      );
      assert.match(await refusalOf(format, []), /has no rows; .*(has|must have)/);
    });
  }

  it('is rejected by name if a parquet column is missing', async () => {
    const file = join(folder, 'few.parquet');
    parquetWriteFile({ filename: file, columnData: [{ name: 'prompt', data: ['p'] }] });
    for (const format of ['reward-bench-2', 'mt-bench'] as const) {
      await assert.rejects(benchmarkOf(format).read(file), (error: unknown) => {
        assert(error instanceof UnreadableFile);
        assert.match(error.message, /has no column .*; its columns are "prompt"/);
        return true;
      });
    }
    const missing: unknown = await benchmarks.pairs.read(file).catch((error: unknown) => String(error));
    assert.match(
      missing as string,
      /few\.parquet: has the columns "prompt", which fit no format; the formats are /,
    );
  });

  it('is rejected by name if a subset, a label or a pair of rows does not belong there', async () => {
    const rm = await rowsOf(FILES['rm-bench']);
    assert.match(await refusalOf('rm-bench', [{ ...rm[0], domain: 'poetry' }]), /row 0: domain: .*"chat"/);
    assert.match(await refusalOf('rm-bench', [{ ...rm[0], chosen: ['one'] }]), /row 0: chosen: .*3 items/);
    const judge = await rowsOf(FILES['judge-bench']);
    assert.match(await refusalOf('judge-bench', [{ ...judge[0], label: 'A=B' }]), /row 0: label: .*"A>B"/);
    const steer = await rowsOf(FILES.helpsteer2);
    assert.match(
      await refusalOf('helpsteer2', steer.slice(1)),
      /row 0: row 1 is not another response to the same prompt/,
    );
    const ties = { prompt: 'p', rejected: ['x'], subset: 'Ties' };
    assert.match(
      await refusalOf('reward-bench-2', [
        { ...ties, id: 'tied:1', chosen: ['a'], num_correct: 1 },
        { ...ties, id: 'seven', chosen: ['a'], num_correct: 1 },
        { ...ties, id: '3', chosen: ['a'], num_correct: 1, subset: 'Math' },
        { ...ties, id: '4', chosen: ['a'], num_correct: 1, subset: 'Cooking' },
      ]),
      /row 3: subset: /,
    );
    assert.match(
      await refusalOf('reward-bench-2', [
        { ...ties, id: 'tied:1', chosen: ['a'], num_correct: 1 },
        { ...ties, id: 'seven', chosen: ['a'], num_correct: 1 },
        { ...ties, id: '3', chosen: ['a'], num_correct: 1, subset: 'Math' },
      ]),
      /3 rows.*row 0: num_correct: found 1; expected at least two in a tied row.*row 1: id: "seven" is neither.*row 2: rejected: 1 answers/s,
    );
  });

  it('is rejected by name: EvalBiasBench with another bias, label or shape, or without rows', async () => {
    const good = { instruction: 'i', response1: 'a', response2: 'b', label: 1 };
    const refusal = async (text: string): Promise<string> => {
      const file = join(folder, 'biasbench.json');
      await writeFile(file, text);
      const error: unknown = await benchmarks['eval-bias-bench']
        .read(file)
        .catch((thrown: unknown) => thrown);
      assert(error instanceof InvalidBenchmarkFile || error instanceof UnreadableFile, String(error));
      assert(error.message.startsWith(`${file}: `));
      return error.message;
    };
    const lists = { 'length bias': [good, { ...good, label: 3 }, 7], poetry: [good] };
    assert.match(
      await refusal(JSON.stringify(lists)),
      /length bias, row 1: label: .*\n.*length bias, row 2: the row: .*\n.*"poetry" is not a bias of EvalBiasBench; the biases are length bias, /,
    );
    assert.match(await refusal(JSON.stringify({ 'length bias': [] })), /rule excludes every row/);
    assert.match(await refusal(JSON.stringify([good])), /contains no object with a list for each bias/);
    assert.match(await refusal('{"length bias": ['), /can't be read as JSON/);
    await assert.rejects(benchmarks['eval-bias-bench'].read(join(folder, 'none.json')), /none\.json.*ENOENT/);
  });

  it('is rejected by name: ReasoningJudgeBench without its column, or a folder without its splits', async () => {
    assert.match(
      await refusalOf('reasoning-judge-bench', [{ instruction: 'i', positive_response: 'a' }]),
      /row 0: negative_response: .*expected/,
    );
    const empty = await mkdtemp(join(folder, 'empty-'));
    await writeFile(join(empty, 'README.md'), 'x');
    await writeFile(join(empty, 'other.parquet'), 'x');
    await assert.rejects(
      benchmarks['reasoning-judge-bench'].read(empty),
      /empty-.*contains no file of a split of ReasoningJudgeBench, such as aime_pairwise-00000/,
    );
    const file = join(folder, 'mine_pairwise.jsonl');
    await writeFile(
      file,
      JSON.stringify({ instruction: 'i', positive_response: 'a', negative_response: 'b' }),
    );
    const { warnings } = await benchmarks['reasoning-judge-bench'].read(file);
    assert.match(warnings[0] ?? '', /has no split "mine"; its splits are aime, /);
  });

  it('has a warning if JudgeBench has no such source, or LLMBar no such set', async () => {
    const file = join(folder, 'sources.jsonl');
    const [row] = await rowsOf(FILES['judge-bench']);
    await writeFile(file, JSON.stringify({ ...row, source: 'my-own' }));
    const { warnings } = await benchmarks['judge-bench'].read(file);
    assert.match(warnings[1] ?? '', /these sources are not JudgeBench's .*: my-own/);
    await writeFile(join(folder, 'dataset.json'), await readFile(fixture('llmbar/Natural/dataset.json')));
    const bar = await benchmarks.llmbar.read(join(folder, 'dataset.json'));
    assert.match(bar.warnings[0] ?? '', /LLMBar has no set "layouts-/);
  });
});
