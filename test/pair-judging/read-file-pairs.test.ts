import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type PairRow, readFilePairs } from '../../src/pair-judging/read-file-pairs.ts';

const fixtures = resolve(import.meta.dirname, '../fixtures/benchmarks');

describe('the pairs of a file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pairs-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function read(...rows: unknown[]): Promise<PairRow[]> {
    const file = join(folder, 'pairs.jsonl');
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    return Array.fromAsync(readFilePairs(file));
  }
  const pairsOf = (rows: PairRow[]) => rows.map(({ pair, problem }) => problem ?? pair);
  const user = (content: string) => ({ role: 'user', content });
  const assistant = (content: string) => ({ role: 'assistant', content });

  it('are two responses to an instruction, as texts or messages, perhaps with a label and an id', async () => {
    const rows = await read(
      { instruction: 'i', responseA: 'one', responseB: 'two' },
      { id: 'mine', prompt: [user('i')], responseA: [assistant('one')], responseB: 'two', label: 'tie' },
      {
        id: 7,
        prompt: [user('i'), assistant('j'), user('k')],
        responseA: 'one',
        responseB: 'two',
        label: 'B',
      },
    );
    assert.deepEqual(pairsOf(rows), [
      { id: '0', instruction: 'i', a: 'one', b: 'two' },
      { id: 'mine', instruction: 'i', a: 'one', b: 'two', label: 'tie' },
      { id: '7', instruction: 'User: i\n\nAssistant: j\n\nUser: k', a: 'one', b: 'two', label: 'B' },
    ]);
  });

  it('are chosen and rejected, of which either may be A, whatever the file', async () => {
    const given = Array.from({ length: 400 }, (_, index) => ({
      prompt: `i${index}`,
      chosen: 'good',
      rejected: 'bad',
    }));
    const rows = await read(...given);
    const isA = rows.filter(({ pair }) => pair?.label === 'A');
    assert(isA.length > 150 && isA.length < 250, `${isA.length} of 400`);
    for (const { pair } of rows) assert.equal(pair?.label === 'A' ? pair.a : pair?.b, 'good');
    assert.deepEqual(await read(...given), rows);
    const [whole] = await read({
      chosen: [user('i'), assistant('good')],
      rejected: [user('i'), assistant('bad')],
    });
    assert.equal(whole?.pair?.instruction, 'i');
    assert.deepEqual([whole?.pair?.a, whole?.pair?.b].sort(), ['bad', 'good']);
  });

  it('are read from Parquet too', async () => {
    const [parquet, lines] = await Promise.all(
      ['pairs.parquet', 'pairs.jsonl'].map((name) => Array.fromAsync(readFilePairs(join(fixtures, name)))),
    );
    assert(parquet?.[0]?.pair !== undefined);
    assert.deepEqual(parquet, lines?.slice(0, parquet.length));
  });

  it('go on with the whole conversation, which both sides share and the user ends', async () => {
    const before = [user('i'), assistant('j'), user('k')];
    const rows = await read(
      { prompt: 'i', chosen: [...before, assistant('good')], rejected: [...before, assistant('bad')] },
      { prompt: 'i', chosen: [...before, assistant('good')], rejected: [user('i'), assistant('bad')] },
      { prompt: 'i', chosen: before, rejected: 'bad' },
      { instruction: before.slice(0, 2), responseA: 'one', responseB: 'two' },
      { chosen: null, rejected: null, prompt: 'i', responseA: 'one', responseB: 'two', label: null },
    );
    const [whole, ...others] = pairsOf(rows);
    assert.equal((whole as { instruction: string }).instruction, 'User: i\n\nAssistant: j\n\nUser: k');
    assert.deepEqual(others, [
      '"chosen" and "rejected" differ before their last message',
      '"chosen" does not end with an assistant message',
      '"instruction" does not end with a user message',
      { id: '4', instruction: 'i', a: 'one', b: 'two' },
    ]);
  });

  it('are missed by row and column', async () => {
    const rows = await read(
      { instruction: 'i', responseA: 'one' },
      { instruction: 'i', responseA: ' ', responseB: 'two' },
      { prompt: 'i', chosen: 'good' },
      { responseA: 'one', responseB: 'two' },
      { instruction: 'i', responseA: 'one', responseB: 2 },
      { instruction: 'i', responseA: 'one', responseB: 'two', label: 'left' },
      ['no object'],
    );
    assert.deepEqual(pairsOf(rows), [
      'no field "responseB"',
      '"responseA" is empty',
      'no field "rejected"',
      'no field "instruction" or "prompt"',
      '"responseB" is neither text nor messages',
      'label (or betterSide) is "left", but must be "A", "B" or "tie"; it may be omitted',
      'it is not an object',
    ]);
    assert.deepEqual(
      rows.map(({ row }) => row),
      [0, 1, 2, 3, 4, 5, 6],
    );
  });
});
