import assert from 'node:assert/strict';
import {
  keepCorrectJudgments,
  isIncorrect,
  inSelectionOrder,
  type SampledJudgment,
} from '../../src/method/rejection-sampling.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import type { Verdict } from '../../src/method/verdict.ts';
import {
  requiredJudgments,
  hasRequiredJudgments,
  sampleBatches,
  type SamplingStrategy,
} from '../../src/method/sampling-batches.ts';
import { compareSamples } from './chi-square.ts';

const SAMPLES = 15;
const EXAMPLES = 6000;
const LENGTHS = ['1', '2', '4', '8', '16'];

interface Simulated extends SampledJudgment {
  /** When it arrives after its request: as long as its text. */
  readonly seconds: number;
}

function uniform(...parts: (string | number)[]): number {
  return Number.parseInt(stableHash(...parts).slice(0, 12), 16) / 16 ** 12;
}

/**
 * A judge whose longer judgments are right more often, most of all on hard examples, and which is sometimes cut off:
 * what is kept shows in its length. Everything follows from the world and the ids.
 */
function draw(world: string, example: number, sample: number): Simulated {
  const id = `${example}/${sample}`;
  const length = Math.floor(uniform(world, id, 'length') * LENGTHS.length);
  const hardness = uniform(world, example, 'hardness');
  const chance = uniform(world, id, 'verdict');
  // One example in ten is never judged right.
  const right = hardness > 0.9 ? 0 : 0.02 + 0.14 * length + 0.4 * (0.9 - hardness);
  const verdict: Verdict =
    chance < right ? 'A' : chance < right + 0.1 ? 'none' : chance < right + 0.15 ? 'tie' : 'B';
  const finishReason = uniform(world, id, 'end') < 0.05 ? 'length' : 'stop';
  return { id, sample, text: LENGTHS[length] ?? '', verdict, finishReason, seconds: Number(LENGTHS[length]) };
}

/** The judgments of an example that a strategy asks for. */
function drawn(world: string, example: number, strategy: SamplingStrategy): Simulated[] {
  const judgments: Simulated[] = [];
  for (const { start, end } of sampleBatches(strategy, SAMPLES)) {
    for (let sample = start; sample < end; sample += 1) judgments.push(draw(world, example, sample));
    if (hasRequiredJudgments(judgments, 'A', requiredJudgments(strategy, 1))) break;
  }
  return judgments;
}

/** The text that `keep` takes of each example, where it takes one. */
function texts(
  world: string,
  strategy: SamplingStrategy,
  keep: (judgments: Simulated[], example: number) => SampledJudgment | undefined,
): string[] {
  return Array.from({ length: EXAMPLES }, (_, example) =>
    keep(drawn(world, example, strategy), example),
  ).flatMap((judgment) => (judgment === undefined ? [] : [judgment.text]));
}

const all: SamplingStrategy = { kind: 'all' };
const random = (judgments: Simulated[], example: number) =>
  keepCorrectJudgments(judgments, 'A', { kind: 'random', seed: example })[0];
const first = (judgments: Simulated[]) => keepCorrectJudgments(judgments, 'A', { kind: 'first' })[0];
const firstToArrive = (judgments: Simulated[]) =>
  judgments
    .filter(({ verdict, finishReason }) => verdict === 'A' && finishReason === 'stop')
    .sort((a, b) => a.seconds - b.seconds || a.sample - b.sample)[0];

describe('judgments of sampling until the first correct one', () => {
  // Worlds of their own, so that the samples are independent.
  const ofAll = texts('one', all, random);

  for (const wave of [1, 2, 4]) {
    it(`have the distribution of correct ones of all N, in batches from ${wave}`, () => {
      const { statistic, critical } = compareSamples(
        ofAll,
        texts(`wave ${wave}`, { kind: 'until-correct', initialBatchSize: wave }, first),
      );
      assert(statistic < critical, `chi-square ${statistic.toFixed(1)}, critical ${critical}`);
    });
  }

  it('would have another distribution if the first to arrive were kept: short ones would be favoured', () => {
    for (const strategy of [all, { kind: 'until-correct', initialBatchSize: 4 } as const]) {
      const { statistic, critical } = compareSamples(ofAll, texts('two', strategy, firstToArrive));
      assert(statistic > 5 * critical, `chi-square ${statistic.toFixed(1)}, critical ${critical}`);
    }
  });

  it('are independent of the batch size, and exist for the same examples as with all N', () => {
    const kept = (strategy: SamplingStrategy) =>
      Array.from({ length: 500 }, (_, example) => first(drawn('one', example, strategy))?.id);
    const ofN = kept(all);
    assert(ofN.includes(undefined));
    for (const wave of [1, 2, 3, 15])
      assert.deepEqual(kept({ kind: 'until-correct', initialBatchSize: wave }), ofN);
  });

  it('give preference pairs the same rejected judgments: the first incorrect one is distributed like those of all N', () => {
    const untilBoth: SamplingStrategy = { kind: 'until-correct', initialBatchSize: 1, also: 'incorrect' };
    const wrongOf = (judgments: Simulated[]) => judgments.filter((judgment) => isIncorrect(judgment, 'A'));
    const { statistic, critical } = compareSamples(
      texts(
        'one',
        all,
        (judgments, seed) => inSelectionOrder(wrongOf(judgments), { kind: 'random', seed }, 'reject')[0],
      ),
      texts(
        'two',
        untilBoth,
        (judgments) => inSelectionOrder(wrongOf(judgments), { kind: 'first' }, 'reject')[0],
      ),
    );
    assert(statistic < critical, `chi-square ${statistic.toFixed(1)}, critical ${critical}`);
  });

  it('need a fraction of the samples', () => {
    const count = (strategy: SamplingStrategy) =>
      Array.from({ length: 500 }, (_, example) => drawn('one', example, strategy).length).reduce(
        (a, b) => a + b,
      );
    assert(count({ kind: 'until-correct', initialBatchSize: 1 }) < 0.35 * count(all));
  });
});
