import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataFile } from '../../src/datasets/rows/data-file.ts';
import { samplePairs, type PairsSampleOptions } from '../../src/estimate/sample-source.ts';

const ALL: PairsSampleOptions = {
  format: 'auto',
  formatField: 'pairs.format',
  decontamination: { ngramSize: 13, minWords: 3 },
  maxPairs: null,
};

describe('a sample of files of pairs', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pairs-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function file(name: string, rows: readonly object[]): Promise<DataFile> {
    const path = join(folder, name);
    await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return { name, path };
  }

  const preference = (prompt: string, chosen: string, rejected: string) => ({ prompt, chosen, rejected });

  it('counts the pairs that are made of the read ones', async () => {
    const long = preference('Name a river.', 'The Rhine, which flows to the sea.', 'Rhine.');
    const short = preference('Name a lake.', 'Lake Como.', 'A lake.');
    const withLimits: PairsSampleOptions['withLimits'] = (pair) =>
      pair.better.length > 20 ? [pair, pair, pair] : [pair];
    const { pairs, limitedPerPair } = await samplePairs(
      [await file('lengths.jsonl', [long, short])],
      { ...ALL, withLimits },
      [],
    );
    assert.deepEqual([pairs, limitedPerPair], [2, 1]);
  });

  it('keeps the pairs that the run would use, from several files in several formats', async () => {
    const plain = await file('plain.jsonl', [
      preference('Name a river.', 'The Rhine.', 'A river.'),
      preference('Name a river.', 'The Rhine.', 'A river.'),
      preference('Name a lake.', 'Lake Como.', 'A lake.'),
      preference('Name a hill.', 'A hill.', 'a  hill.'),
      preference('What does the test ask?', 'This.', 'That.'),
      { prompt: 'Name a sea.', chosen: 'The Baltic.' },
    ]);
    const opposite = await file('opposite.jsonl', [preference('Name a lake.', 'A lake.', 'Lake Como.')]);
    const rated = (prompt: string, response: string, helpfulness: number) => ({
      prompt,
      response,
      helpfulness,
    });
    const steered = await file('steered.jsonl', [
      rated('Name a city.', 'Bern.', 4),
      rated('Name a city.', 'A city.', 1),
      rated('Name a town.', 'Chur.', 2),
      rated('Name a town.', 'A town.', 2),
      rated('Name a village.', 'A village.', 0),
      rated('Name a village.', 'Vals.', 3),
    ]);
    const benchmark = { name: 'test', items: [{ id: '1', instruction: 'What does the test ask?' }] };
    const { rows, rowsRead, pairs, sample } = await samplePairs([plain, opposite, steered], ALL, [benchmark]);
    assert.deepEqual([rows, rowsRead, pairs], [13, 13, 3]);
    assert.deepEqual(
      sample.map(({ instruction, chosen }) => [instruction, chosen]),
      [
        ['Name a river.', 'The Rhine.'],
        ['Name a city.', 'Bern.'],
        ['Name a village.', 'Vals.'],
      ],
    );
  });

  it('reads the beginning of large files, extrapolates, and counts at most the maximum', async () => {
    const size = 30_000;
    const large = await file(
      'large.jsonl',
      Array.from({ length: size }, (_, row) =>
        preference(`Question ${row}`, `right ${row}`, row % 2 === 0 ? `wrong ${row}` : `right ${row}`),
      ),
    );
    const all = await samplePairs([large], ALL, []);
    assert.deepEqual([all.rows, all.rowsRead, all.pairs, all.sample.length], [size, 20_000, size / 2, 64]);
    assert.equal((await samplePairs([large], { ...ALL, maxPairs: 100 }, [])).pairs, 100);
  });
});
