import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parquetWriteFile } from 'hyparquet-writer';
import { InvalidBenchmarkFile } from '../../src/benchmarks/benchmark.ts';
import { benchmarkOf, benchmarks } from '../support/benchmarks.ts';
import { figureNamed, fixture, judgeEachItem, pairsOf } from './fixture.ts';

const seed = 3;
const close = (actual: number | null, expected: number) =>
  assert(actual !== null && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

describe('both versions of the score of Ties', () => {
  const benchmark = benchmarks['reward-bench-2-ratings'];
  const RELEASE = 'Ties, by the code of the release (June 2, 2025)';

  /** Scores one question, each side as its correct and incorrect ratings. */
  function score(ref: [number[], number[]], tied: [number[], number[]]) {
    const items = [ref, tied].map(([correct, incorrect], index) => ({
      id: String(index),
      subset: 'Ties',
      instruction: '?',
      completions: [...correct, ...incorrect].map(String),
      correct: correct.length,
      ties: { kind: index === 0 ? ('ref' as const) : ('tied' as const), number: '1' },
    }));
    const judgments = judgeEachItem(
      benchmark,
      items,
      (item, slot) => item.completions[Number(slot.slice(-3))] ?? '',
    );
    return benchmark.score(items, judgments, { seed });
  }

  it('differ by a hundredth if all correct answers have the same rating', () => {
    const better = score([[8], [5]], [[9, 9], [4]]);
    close(figureNamed(better, 'Ties'), 1.01);
    close(figureNamed(better, RELEASE), 1);
    close(figureNamed(better, 'total'), 1.01);
    close(figureNamed(better, 'total, by the code of the release'), 1);
    const worse = score([[4], [6]], [[7, 7], [7]]);
    close(figureNamed(worse, 'Ties'), -0.01);
    close(figureNamed(worse, RELEASE), 0);
  });

  it('are equal otherwise, and if the margin is 0 too', () => {
    const spread = score([[9], [5]], [[9, 7], [4]]);
    // Margins 4 and 3, a spread of 2: tanh(3 / 2 - 1) = 0.46211715726.
    assert(Math.abs((figureNamed(spread, 'Ties') ?? 0) - 1.0046211715726) < 1e-12);
    close(figureNamed(spread, 'Ties'), figureNamed(spread, RELEASE) ?? NaN);
    const none = score([[5], [5]], [[7, 7], [7]]);
    close(figureNamed(none, 'Ties'), 0);
    close(figureNamed(none, RELEASE), 0);
  });
});

describe('several votes by the published rule', () => {
  const vote = (
    format: 'reward-bench' | 'reasoning-judge-bench',
    first: string[],
    second: string[],
    pairs = 1,
  ) => {
    const benchmark = benchmarkOf(format);
    const items = pairsOf(pairs, format === 'reward-bench' ? 'own' : 'aime');
    const judgments = judgeEachItem(benchmark, items, (_, slot) =>
      slot === 'better-first' ? first : second,
    );
    return benchmark.score(items, judgments, { seed });
  };

  it('of RewardBench count a missing verdict as a vote, unlike ours', () => {
    const scores = vote('reward-bench', ['none', 'none', '[[A]]'], ['[[B]]', '[[B]]', 'none']);
    close(figureNamed(scores, 'total, both orders'), 0.75);
    assert.equal(scores.accuracy, 1);
  });

  it('of RewardBench agree with a reference that takes the most frequent of the votes', () => {
    const texts = fc.array(fc.constantFrom('[[A]]', '[[B]]', 'none'), { minLength: 3, maxLength: 9 });
    fc.assert(
      fc.property(texts, (votes) => {
        const count = (text: string) => votes.filter((each) => each === text).length;
        const counts = [count('[[A]]'), count('[[B]]'), count('none')];
        const most = Math.max(...counts);
        // A draw is arbitrary in the published script.
        fc.pre(counts.filter((each) => each === most).length === 1);
        const points = [1, 0, 0.5][counts.indexOf(most)] ?? NaN;
        close(figureNamed(vote('reward-bench', votes, ['[[B]]']), 'total, both orders'), (points + 1) / 2);
      }),
    );
  });

  it('of ReasoningJudgeBench have a verdict only if more than half of all agree', () => {
    const figure = 'overall, correct in both orders';
    const better = ['[[A>B]]', '[[A>B]]', 'none'];
    close(figureNamed(vote('reasoning-judge-bench', better, ['[[B>A]]']), figure), 1);
    close(figureNamed(vote('reasoning-judge-bench', [...better, 'none'], ['[[B>A]]']), figure), 0);
    assert.equal(vote('reasoning-judge-bench', [...better, 'none'], ['[[B>A]]']).accuracy, 1);
    // A draw is drawn for each pair by our rule, and is no verdict by the published one.
    close(figureNamed(vote('reasoning-judge-bench', ['[[A>B]]', '[[B>A]]'], ['[[B>A]]'], 8), figure), 0);
  });
});

describe('files in the layouts of the official repositories', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'layouts-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const column = (name: string, values: string[]) => ({ name, data: values });
  async function rewardBenchFolder(orders: string) {
    await mkdir(join(folder, 'data'));
    const numbers = ['1', '2', '3', '4'];
    parquetWriteFile({
      filename: join(folder, 'data', 'filtered-00000-of-00001.parquet'),
      columnData: [
        column('prompt', numbers),
        column('chosen', numbers),
        column('rejected', ['a', 'b', 'c', 'd']),
        column('subset', ['s', 's', 's', 's']),
      ],
    });
    await writeFile(join(folder, 'rewardbench_inputs.jsonl'), orders);
  }
  const shuffled = (...values: boolean[]) =>
    values.map((value) => JSON.stringify({ text: 'x', is_shuffled: value })).join('\n');

  it('RewardBench with a given order has its figure by that order', async () => {
    await rewardBenchFolder(shuffled(false, true, true, true));
    const { items } = await benchmarks['reward-bench'].read(folder);
    // A judge that always prefers A is right where the better response came first.
    const judgments = judgeEachItem(benchmarks['reward-bench'], items, () => '[[A]]');
    const scores = benchmarks['reward-bench'].score(items, judgments, { seed });
    close(figureNamed(scores, 'total, given order'), 0.25);
    close(figureNamed(scores, 'total, both orders'), 0.5);
    assert.equal(scores.official.decimals, 3);
  });

  it('RewardBench refuses an order of another number of rows, and a folder without its file', async () => {
    await rewardBenchFolder(shuffled(false, true));
    await assert.rejects(benchmarks['reward-bench'].read(folder), (error) => {
      assert(error instanceof InvalidBenchmarkFile);
      return /rewardbench_inputs\.jsonl: 2 lines, but .*parquet has 4 rows/.test(error.message);
    });
    await rm(join(folder, 'data'), { recursive: true });
    await assert.rejects(benchmarks['reward-bench'].read(folder), /contains no files filtered\*\.parquet/);
  });

  it('RM-Bench by domain gives the same items as its whole file, and says which domains are missing', async () => {
    const benchmark = benchmarks['rm-bench'];
    const whole = fixture('rm-bench/total_dataset.json');
    const rows = JSON.parse(await readFile(whole, 'utf8')) as { domain: string; prompt: string }[];
    const domains = ['chat', 'math', 'safety-refuse', 'safety-response'];
    for (const domain of domains) {
      const ofDomain = rows.filter((row) => row.domain === domain).map(({ domain: _domain, ...row }) => row);
      await writeFile(join(folder, `${domain}_filtered.json`), JSON.stringify(ofDomain));
    }
    const byDomain = await benchmark.read(folder);
    const plain = (items: readonly { subset: string; instruction: string }[]) =>
      items.map(({ subset, instruction }) => `${subset}: ${instruction}`).sort();
    const { items } = await benchmark.read(whole);
    assert.deepEqual(plain(byDomain.items), plain(items.filter(({ subset }) => domains.includes(subset))));
    assert.match(byDomain.warnings.at(-1) ?? '', /without code_filtered\.json, so the overall scores/);
    assert.match(byDomain.warnings[0] ?? '', /chat_filtered\.json: 1 row, but RM-Bench has chat 129/);
    const one = await benchmark.read(join(folder, 'math_filtered.json'));
    assert(one.items.length > 0 && one.items.every(({ subset }) => subset === 'math'));
  });

  it('EvalBiasBench reads a text without the white space around it', () => {
    const benchmark = benchmarks['eval-bias-bench'];
    assert.deepEqual(
      ['  Output (a)', '\n\tOutput (b)', 'so\n  Output (b)', 'so\n Output (b)'].map((text) =>
        benchmark.officialVerdict(text),
      ),
      ['A', 'B', undefined, 'B'],
    );
  });
});
