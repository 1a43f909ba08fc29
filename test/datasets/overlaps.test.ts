import assert from 'node:assert/strict';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { BenchmarkOverlaps } from '../../src/datasets/decontamination.ts';
import { NearDuplicateIndex } from '../../src/datasets/near-duplicates.ts';
import { normalizedWords } from '../../src/datasets/word-hashes.ts';

/** Words that follow from a number. */
const words = (count: number, from: number | string) =>
  Array.from({ length: count }, (_, index) => `w${stableHash(from, index).slice(0, 4)}`);

describe('the words of a text', () => {
  it('have no punctuation or case; in scripts without spaces each character is a word', () => {
    assert.deepEqual(normalizedWords("Don't STOP: 3.5€, ﬁne"), ['don', 't', 'stop', '3', '5', 'fine']);
    assert.deepEqual(normalizedWords('今天 Tee と'), ['今', '天', 'tee', 'と']);
    assert.deepEqual(normalizedWords('हिन्दी'), ['हिन्दी']);
    assert.deepEqual(normalizedWords(' ?! '), []);
  });
});

describe('the overlap with benchmarks', () => {
  const long = words(30, 'benchmark');
  const middle = 'Name nine things that a lighthouse keeper needs';
  const index = new BenchmarkOverlaps({ ngramSize: 13, minWords: 8 });
  index.add('a', '0', long.join(' '));
  index.add('a', '1', middle);
  index.add('b', '7', 'What is 2 + 2?');
  index.add('b', '8', '?');

  it('is 13 consecutive words in any position, ignoring case and punctuation', () => {
    const shared = long.slice(10, 23);
    const text = `${words(5, 'x').join(' ')} ${shared.join(', ').toUpperCase()}! ${words(5, 'y').join(' ')}`;
    assert.deepEqual(index.find(text), { benchmark: 'a', row: '0', words: shared.join(' ') });
  });

  it('needs more than 12 consecutive words, or 13 with another among them', () => {
    assert.equal(index.find([...long.slice(10, 22), 'other', ...long.slice(0, 12)].join(' ')), undefined);
    assert.equal(index.find(long.slice(10, 23).with(6, 'other').join(' ')), undefined);
  });

  it('is a complete shorter instruction of the benchmark in a longer one', () => {
    const found = index.find(`Please ${middle.toLowerCase()}, thank you`);
    assert.deepEqual([found?.benchmark, found?.row], ['a', '1']);
    assert.equal(index.find(middle.replace('nine', 'ten')), undefined);
  });

  it('needs equal instructions if they have only a few words', () => {
    assert.equal(index.find('what is 2+2')?.row, '7');
    assert.equal(index.find('Explain what is 2 + 2 in words'), undefined);
  });

  it('doesn’t exist for texts without words', () => {
    assert.equal(index.find('?'), undefined);
    assert.equal(index.find(''), undefined);
  });
});

describe('near duplicates', () => {
  const index = (seed = 1, threshold = 0.8, capacity = 2000) =>
    new NearDuplicateIndex({ threshold, ngramSize: 3, seed, capacity });
  /** A text with `changed` of its last words replaced: each takes away one trigram of each side. */
  const changed = (count: number, from: string) => {
    const text = words(200, from);
    return [...text.slice(0, 200 - count), ...words(count, `${from}-other`)].join(' ');
  };

  it('are found if most word n-grams are equal, and not if fewer are', () => {
    // Jaccard of the trigrams: (198 - c) / (198 + c).
    let [near, far] = [0, 0];
    for (let trial = 0; trial < 100; trial += 1) {
      const all = index();
      const from = `trial ${trial}`;
      all.addUnlessDuplicate('first', words(200, from).join(' '));
      if (all.addUnlessDuplicate('near', changed(8, from)) !== undefined) near += 1;
      if (all.addUnlessDuplicate('far', changed(60, from)) !== undefined) far += 1;
    }
    assert.equal(near, 100);
    assert.equal(far, 0);
  });

  it('are found with the documented recall if they are a little more similar than the threshold', () => {
    // The changed words and the similarity (198 - c) / (198 + c): 0.85, 0.60 and 0.98. The recall is that of the bands
    // times the probability that the estimate by 128 hashes is above the threshold.
    for (const [threshold, count, recall] of [
      [0.8, 16, 0.88],
      [0.5, 49, 0.93],
      [0.95, 2, 0.95],
    ] as const) {
      const found = Array.from({ length: 200 }, (_, trial) => {
        const all = index(trial, threshold);
        const from = `recall ${trial}`;
        all.addUnlessDuplicate('first', words(200, from).join(' '));
        return all.addUnlessDuplicate('near', changed(count, from)) !== undefined;
      }).filter(Boolean).length;
      assert(found >= recall * 200, `${found} of 200 at a threshold of ${threshold}`);
    }
  });

  it('have an estimated similarity within the error of 128 hashes', () => {
    const errors = Array.from({ length: 60 }, (_, trial) => {
      const all = index(trial, 0.5);
      const [from, count] = [`estimate ${trial}`, 20 + (trial % 30)];
      all.addUnlessDuplicate('first', words(200, from).join(' '));
      const found = all.addUnlessDuplicate('second', changed(count, from));
      return found === undefined ? undefined : found.similarity - (198 - count) / (198 + count);
    }).filter((error) => error !== undefined);
    assert(errors.length > 50, `${errors.length} found`);
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    // The mean of 50 estimates that are off by 0.04 each is off by 0.006.
    assert(Math.abs(mean) < 0.03, `mean error ${mean}`);
    assert(Math.max(...errors.map(Math.abs)) < 0.2);
  });

  it('name the kept instruction', () => {
    const all = index();
    assert.equal(all.addUnlessDuplicate('a', 'The quick brown fox jumps over the lazy dog'), undefined);
    assert.deepEqual(all.addUnlessDuplicate('b', 'the quick brown fox: jumps over the lazy dog!'), {
      id: 'a',
      similarity: 1,
    });
    assert.equal(all.addUnlessDuplicate('c', 'Something else'), undefined);
    assert.equal(all.addUnlessDuplicate('d', '?!'), undefined);
    assert.equal(all.addUnlessDuplicate('e', '?!?'), undefined);
  });

  it('are not among different instructions of one n-gram', () => {
    const all = index(1, 0.8, 20_000);
    const found = Array.from({ length: 20_000 }, (_, number) =>
      all.addUnlessDuplicate(String(number), `Define word${number} please`),
    ).filter((duplicate) => duplicate !== undefined);
    assert.deepEqual(found, []);
  });

  it('depend only on the seed and the order', () => {
    const texts = Array.from({ length: 300 }, (_, number) => changed(number % 40, `text ${number % 20}`));
    const kept = (seed: number) => {
      const all = index(seed);
      return texts.map((text, number) => all.addUnlessDuplicate(String(number), text)?.id);
    };
    assert.deepEqual(kept(1), kept(1));
    assert.notDeepEqual(kept(1), kept(2));
  });

  it('are found among many that share a band but are not near', () => {
    const all = index(1, 0.95);
    const common = words(200, 'common');
    for (let number = 0; number < 1000; number += 1)
      all.addUnlessDuplicate(String(number), [...common, ...words(60, number)].join(' '));
    assert.equal(all.addUnlessDuplicate('new', words(200, 'unlike').join(' ')), undefined);
    assert.equal(all.addUnlessDuplicate('again', words(200, 'unlike').join(' '))?.id, 'new');
  });
});
