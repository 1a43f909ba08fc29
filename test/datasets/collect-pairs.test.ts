import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchmarkOverlaps } from '../../src/datasets/decontamination.ts';
import { collectPairs, type CollectPairsOptions } from '../../src/datasets/collect-pairs.ts';

const pairs = Array.from({ length: 400 }, (_, row) => ({
  prompt: `Question ${row}?`,
  chosen: `good ${row}`,
  rejected: `bad ${row}`,
}));

describe('collecting labelled pairs', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'collect-'))));
  afterEach(() => rm(folder, { recursive: true }));

  async function collect(rows: readonly object[], change: Partial<CollectPairsOptions> = {}) {
    const path = join(folder, 'pairs.jsonl');
    await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const scratch = await mkdtemp(join(folder, 'scratch-'));
    const collected = await collectPairs({
      files: [{ name: 'mine', path }],
      format: 'auto',
      formatField: 'pairs.format',
      overlaps: null,
      maximum: null,
      seed: 1,
      scratch,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      checkFailed: () => undefined,
      ...change,
    });
    const kept = await Array.fromAsync(collected.kept());
    const leftOut = await Array.fromAsync(collected.skipped());
    assert.equal(kept.length, collected.pairs);
    assert.equal(leftOut.length, collected.skippedCount);
    return { collected, kept, leftOut };
  }

  it('gives the same pairs, sorted by id, independent of the order of the rows', async () => {
    const { kept } = await collect(pairs);
    assert.equal(kept.length, pairs.length);
    const ids = kept.map(({ id }) => id);
    assert.deepEqual(ids, ids.toSorted());
    assert.deepEqual((await collect(pairs.toReversed())).kept, kept);
  });

  it('keeps equal pairs once, and drops pairs with contradictory labels', async () => {
    const [first, second, third] = pairs;
    const opposite = { prompt: third?.prompt, chosen: third?.rejected, rejected: third?.chosen };
    const { kept, leftOut } = await collect([first, second, first, third, opposite, third] as object[]);
    assert.deepEqual(kept.map(({ instruction }) => instruction).sort(), ['Question 0?', 'Question 1?']);
    assert.deepEqual(leftOut.map(({ id, reason, detail }) => `${id}, ${reason}: ${detail}`).sort(), [
      'mine row 2, duplicate: same as mine row 0',
      'mine row 3, contradicted by another row: mine row 4',
      'mine row 4, contradicted by another row: mine row 3',
      'mine row 5, contradicted by another row: mine row 4',
    ]);
  });

  it('draws the requested number by the seed, independent of their order', async () => {
    const { kept, collected } = await collect(pairs, { maximum: 50 });
    assert.equal(kept.length, 50);
    assert.equal(collected.notSelected, 350);
    assert.deepEqual((await collect(pairs.toReversed(), { maximum: 50 })).kept, kept);
    assert.notDeepEqual((await collect(pairs, { maximum: 50, seed: 2 })).kept, kept);
  });

  it('drops pairs without a difference, and pairs that overlap with a benchmark in any message of the user', async () => {
    const overlaps = new BenchmarkOverlaps({ ngramSize: 13, minWords: 8 });
    // So few words count only where they are the whole of a turn.
    const tested = 'Name the longest word.';
    overlaps.add('held-out', '7', tested);
    const turns = [
      { role: 'user', content: tested },
      { role: 'assistant', content: 'Which?' },
      { role: 'user', content: 'Guess.' },
    ];
    const { leftOut } = await collect(
      [
        { prompt: 'a', chosen: 'Yes.', rejected: ' yes. ' },
        { prompt: 'a', chosen: ' ', rejected: 'b' },
        { prompt: ' ', chosen: 'a', rejected: 'b' },
        { prompt: turns, chosen: 'a', rejected: 'b' },
      ],
      { overlaps },
    );
    assert.deepEqual(
      leftOut.map(({ reason }) => reason),
      ['responses differ only in white space and case', 'empty', 'empty', 'overlaps with benchmark held-out'],
    );
  });

  it('can be cancelled at once', async () => {
    const aborted = new AbortController();
    aborted.abort(new Error('called off'));
    await assert.rejects(collect(pairs, { signal: aborted.signal }), /called off/);
  });
});
