import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgedPair } from '../../src/judging/judged-pair.ts';
import { readVerdicts, VerdictFile } from '../../src/judging/verdict-file.ts';

describe('a file of verdicts', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'verdicts-'));
    path = join(folder, 'verdicts.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const judged = (row: number) =>
    judgedPair({ row, id: 'é\u2028😀' }, { verdict: 'A', consistent: null, orders: [] });
  async function write(from: number, to: number, meaning = { votes: 1 }): Promise<number> {
    const file = await VerdictFile.open(path, meaning);
    const found = file.rows;
    for (let row = from; row < to; row++) await file.append(judged(row));
    await file.close();
    return found;
  }
  const rows = async () => (await Array.fromAsync(readVerdicts(path))).map(({ row }) => row);

  it('goes on after its last whole line', async () => {
    assert.equal(await write(0, 3), 0);
    const { length } = await readFile(path);
    const whole = await readFile(path);
    for (const bytes of [length - 1, length - 20, length]) {
      await writeFile(path, whole);
      await truncate(path, bytes);
      const there = bytes === length ? 3 : 2;
      assert.equal(await write(there, 3), there, `${bytes} of ${length} bytes`);
      assert.deepEqual(await readFile(path), whole);
    }
  });

  it('begins again where a line lacks its text though later ones are there, as after a power cut', async () => {
    await write(0, 3);
    const text = await readFile(path, 'utf8');
    const [first = '', second = '', third = ''] = text.split('\n');
    await writeFile(path, [first, '\0'.repeat(second.length), third, ''].join('\n'));
    assert.equal(await write(1, 3), 1);
    assert.deepEqual(await rows(), [0, 1, 2]);
  });

  it('is refused where it holds another judging, and where nothing says that it holds any', async () => {
    await write(0, 1);
    await assert.rejects(write(1, 2, { votes: 5 }), {
      name: 'VerdictFileRefused',
      message:
        /verdicts\.jsonl holds the verdicts of another judging \(votes is 1 there, 5 here\): name another file by --out/,
    });
    assert.deepEqual(await rows(), [0]);
    path = join(folder, 'notes.txt');
    await appendFile(path, 'mine');
    await assert.rejects(write(0, 1), /notes\.txt exists, and nothing says that it holds verdicts/);
    assert.equal(await readFile(path, 'utf8'), 'mine');
  });
});
