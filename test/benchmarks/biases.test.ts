import assert from 'node:assert/strict';
import { type BiasName, biasFigures, type JudgedResponses } from '../../src/benchmarks/biases.ts';
import type { Side } from '../../src/method/verdict.ts';
import { randomNumbers } from '../../src/benchmarks/bootstrap.ts';

const other = (side: Side): Side => (side === 'A' ? 'B' : 'A');

/** The judge of a test: the probability of a correct verdict, by what it sees. */
interface Behaviour {
  readonly accuracy: (seen: { betterIsLonger: boolean; isSimilar: boolean; betterIsOwn: boolean }) => number;
  /** The probability to name the first response whatever it is. */
  readonly first?: number;
  /** The number of words of its reasons. */
  readonly words?: (isCorrect: boolean, random: number) => number;
}

/** So many pairs, judged in both orders. */
function judge(count: number, seed: number, behaviour: Behaviour): JudgedResponses[] {
  const random = randomNumbers(seed);
  const { accuracy, first: firstShare = 0, words = (_, chance) => 50 + Math.round(50 * chance) } = behaviour;
  return Array.from({ length: count }, (_, i) => {
    const better: Side = random() < 0.5 ? 'A' : 'B';
    const longer: Side = random() < 0.5 ? 'A' : 'B';
    const own: Side = random() < 0.5 ? 'A' : 'B';
    const isSimilar = random() < 0.4;
    const seen = { betterIsLonger: longer === better, isSimilar, betterIsOwn: own === better };
    const lengths = isSimilar ? [110, 100] : [300, 100];
    const [long = 0, short = 0] = lengths;
    return {
      cluster: String(i),
      better,
      words: longer === 'A' ? { A: long, B: short } : { A: short, B: long },
      models: own === 'A' ? { A: 'Llama-3-8B', B: 'gpt-4' } : { A: 'gpt-4', B: 'Llama-3-8B' },
      orders: (['A', 'B'] as const).map((first) => {
        const verdict = random() < firstShare ? first : random() < accuracy(seen) ? better : other(better);
        return { first, verdict, words: words(verdict === better, random()) };
      }),
    };
  });
}

const options = { lengthLimit: 1.25, family: 'llama' };
const named = (pairs: JudgedResponses[], bias: BiasName) => {
  const figure = biasFigures(pairs, options).find((each) => each.bias === bias);
  assert(figure !== undefined, `no figure ${bias}`);
  return figure;
};

/** A pair in one order, or in both, with the verdict in each. The better response is A. */
const judgedPair = (id: number, verdicts: readonly Side[], more: Partial<JudgedResponses> = {}) => ({
  cluster: String(id),
  better: 'A' as const,
  words: { A: 10, B: 10 },
  orders: verdicts.map((verdict, order) => ({ first: order === 0 ? 'A' : 'B', verdict, words: 10 }) as const),
  ...more,
});

describe('the bias of a judge', () => {
  it('has the interval of statsmodels 0.15.0, confint_proportions_2indep(56, 70, 48, 80, method="newcomb")', () => {
    // Correct on 56 of 70 pairs whose better response is first, longer, and of its own family, with long reasons; on 48 of
    // the other 80. The example of Newcombe 1998, table II.
    const pairs = Array.from({ length: 150 }, (_, i): JudgedResponses => {
      const [isFavoured, isCorrect] = [i < 70, i < 56 || (i >= 70 && i < 118)];
      const verdict = isCorrect ? 'A' : 'B';
      return judgedPair(i, [], {
        words: isFavoured ? { A: 50, B: 45 } : { A: 45, B: 50 },
        models: isFavoured ? { A: 'llama', B: 'gpt' } : { A: 'gpt', B: 'llama' },
        orders: [{ first: isFavoured ? 'A' : 'B', verdict, words: isFavoured ? 40 : 20 }],
      });
    });
    const figures = biasFigures(pairs, options);
    assert.equal(figures.length, 5);
    for (const { bias, difference, interval } of figures) {
      assert(Math.abs(difference - 0.2) < 1e-12, bias);
      assert(Math.abs(interval.low - 0.05243147240236498) < 1e-9, bias);
      assert(Math.abs(interval.high - 0.33387265403690614) < 1e-9, bias);
    }
  });

  it('for a position has nearly the interval of Bonett and Price (2012) for paired shares', () => {
    for (const [onlyFirst, onlySecond, count] of [
      [30, 10, 200],
      [0, 0, 80],
      [5, 0, 80],
      [30, 30, 100],
    ] as const) {
      const pairs = Array.from({ length: count }, (_, i) =>
        judgedPair(i, i < onlyFirst ? ['A', 'B'] : i < onlyFirst + onlySecond ? ['B', 'A'] : ['A', 'A']),
      );
      const { difference, interval } = named(pairs, 'position');
      const [first, second] = [(onlyFirst + 1) / (count + 2), (onlySecond + 1) / (count + 2)];
      const half = 1.96 * Math.sqrt((first + second - (first - second) ** 2) / (count + 2));
      assert(Math.abs(difference - (onlyFirst - onlySecond) / count) < 1e-12);
      assert(Math.abs(interval.low - (first - second - half)) < 0.003, JSON.stringify(interval));
      assert(Math.abs(interval.high - (first - second + half)) < 0.003, JSON.stringify(interval));
    }
  });

  it('for a position has intervals that contain it in about 95 of 100 samples', () => {
    const random = randomNumbers(9);
    for (const [count, bias, accuracy] of [
      [28, 0.4, 0.8],
      [60, 0.1, 0.9],
      [200, 0, 0.97],
    ] as const) {
      let covered = 0;
      for (let repetition = 0; repetition < 1000; repetition++) {
        const pairs = Array.from({ length: count }, (_, i) =>
          judgedPair(
            i,
            (['A', 'B'] as const).map((first) => (random() < bias ? first : random() < accuracy ? 'A' : 'B')),
          ),
        );
        const { low, high } = named(pairs, 'position').interval;
        if (low <= bias && bias <= high) covered += 1;
      }
      assert(covered > 930 && covered < 985, `${count} pairs, bias ${bias}: ${covered / 10}%`);
    }
  });

  it('for a position is found, and how large it is', () => {
    const biased = named(judge(400, 1, { accuracy: () => 0.8, first: 0.3 }), 'position');
    // 30% of all verdicts are for the first response, the others are half for each.
    assert(Math.abs(biased.difference - 0.3) < 0.06, String(biased.difference));
    assert(biased.interval.low > 0.15 && biased.interval.high < 0.4, JSON.stringify(biased.interval));
    assert.match(
      biased.meaning,
      /^The judge prefers the response that it sees first: 6\d\.\d% of verdicts are for/,
    );
    const second = judge(400, 1, { accuracy: () => 0.8, first: 0.3 }).map((pair) => ({
      ...pair,
      orders: pair.orders.map((order) => ({ ...order, first: other(order.first) })),
    }));
    assert.match(named(second, 'position').meaning, /^The judge prefers the response that it sees second/);
  });

  it('for a position is found in one order, too, if the better response is known', () => {
    const pairs = judge(600, 9, { accuracy: () => 0.8, first: 0.3 }).map((pair) => ({
      ...pair,
      orders: pair.orders.slice(0, 1),
    }));
    const { difference, interval, meaning } = named(pairs, 'position');
    assert(Math.abs(difference - 0.3) < 0.08 && interval.low > 0.15, String(difference));
    assert.match(
      meaning,
      /^The judge prefers the response that it sees first: .*% correct if the better response is shown first/,
    );
    const unlabelled = pairs.map(({ better: _better, ...pair }) => pair);
    assert(!biasFigures(unlabelled, options).some(({ bias }) => bias === 'position'));
  });

  it('for length is found where lengths differ, and not among responses of similar length', () => {
    const pairs = judge(800, 2, {
      accuracy: ({ betterIsLonger, isSimilar }) => (isSimilar ? 0.85 : betterIsLonger ? 0.95 : 0.7),
    });
    const all = named(pairs, 'length');
    // 60% of the pairs have a bias of 25 points.
    assert(Math.abs(all.difference - 0.15) < 0.06, String(all.difference));
    assert(all.interval.low > 0);
    assert.match(
      all.meaning,
      /^The judge prefers the longer response: 9\d\.\d% correct if the longer response is better, /,
    );
    const similar = named(pairs, 'similar length');
    assert(similar.interval.low < 0 && similar.interval.high > 0, JSON.stringify(similar));
    assert.match(similar.meaning, /^No bias is shown: .*it is at most \d+\.\d points\.$/);
  });

  it('for its own family is found by the names of models', () => {
    const pairs = judge(400, 3, { accuracy: ({ betterIsOwn }) => (betterIsOwn ? 0.9 : 0.7) });
    const { difference, interval, meaning } = named(pairs, 'own family');
    assert(Math.abs(difference - 0.2) < 0.07 && interval.low > 0, String(difference));
    assert.match(meaning, /^The judge prefers the response of its own family/);
    assert(!biasFigures(pairs, { lengthLimit: 1.25 }).some(({ bias }) => bias === 'own family'));
    const nameless = pairs.map(({ models: _models, ...pair }) => pair);
    assert(!biasFigures(nameless, options).some(({ bias }) => bias === 'own family'));
  });

  it('in the verbosity of its reasons is found: long ones are more often wrong', () => {
    const pairs = judge(400, 4, {
      accuracy: () => 0.8,
      words: (isCorrect, chance) => Math.round(100 * chance) + (isCorrect ? 0 : 40),
    });
    const { interval, meaning } = named(pairs, 'verbosity');
    assert(interval.high < 0, JSON.stringify(interval));
    assert.match(
      meaning,
      /^Long reasons are more often wrong than short ones: .*% correct with reasons of more than \d+ words/,
    );
  });

  it('is found in few of 100 judges without one, and the intervals contain 0 otherwise', () => {
    const names: BiasName[] = ['position', 'length', 'similar length', 'own family', 'verbosity'];
    const found = new Map(names.map((name) => [name, 0]));
    const repetitions = 300;
    for (let repetition = 0; repetition < repetitions; repetition++)
      for (const { bias, interval } of biasFigures(
        judge(60, 100 + repetition, { accuracy: () => 0.85 }),
        options,
      ))
        if (interval.low > 0 || interval.high < 0) found.set(bias, (found.get(bias) ?? 0) + 1 / repetitions);
    for (const [bias, rate] of found) assert(rate < 0.09, `${bias}: ${rate}`);
  });

  it('is the preference itself without labels, which may have a good reason', () => {
    const pairs = judge(200, 5, { accuracy: ({ betterIsLonger }) => (betterIsLonger ? 0.95 : 0.5) }).map(
      ({ better: _better, ...pair }) => pair,
    );
    const figures = biasFigures(pairs, options);
    assert.deepEqual(
      figures.map(({ bias }) => bias),
      ['position', 'length', 'similar length', 'own family', 'verbosity'],
    );
    const length = named(pairs, 'length');
    assert.match(length.meaning, /of verdicts are for the longer response.*Without labels it is unknown/);
    const [favoured, rest] = length.groups;
    assert(Math.abs(favoured.share + rest.share - 1) < 1e-12);
  });

  it('is not measured on what the pairs do not show', () => {
    const [pair] = judge(1, 6, { accuracy: () => 1 });
    assert(pair !== undefined);
    assert.deepEqual(biasFigures([], options), []);
    // One order, equal lengths, neither models nor labels.
    const { models: _, better: __, ...rest } = pair;
    const bare = { ...rest, words: { A: 5, B: 5 }, orders: pair.orders.slice(0, 1) };
    assert.deepEqual(biasFigures([bare], options), []);
  });

  it('counts pairs of one question as one', () => {
    const pairs = judge(60, 7, { accuracy: () => 0.8, first: 0.2 });
    const width = (all: JudgedResponses[]) => {
      const { low, high } = named(all, 'position').interval;
      return high - low;
    };
    const repeated = Array.from({ length: 6 }, () => pairs).flat();
    assert(Math.abs(width(repeated) - width(pairs)) < 0.02, `${width(repeated)} and ${width(pairs)}`);
    const apart = repeated.map((pair, i) => ({ ...pair, cluster: String(i) }));
    assert(width(apart) < 0.6 * width(pairs));
  });
});
