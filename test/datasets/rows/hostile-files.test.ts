import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { readInstructions } from '../../../src/datasets/read-instructions.ts';
import { readRows } from '../../../src/datasets/rows/read-rows.ts';

/** Files that are made to take the memory or the time of a worker, or to end what reads them. */
describe('a data file of an attacker', function () {
  this.timeout(60_000);
  const LONG = '{"instruction":"'.padEnd(2 ** 25, 'a');
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostile-'));
  });

  after(() => rm(folder, { recursive: true }));

  async function write(name: string, content: string | Buffer): Promise<string> {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  }

  async function read(file: string): Promise<unknown[]> {
    return (await Array.fromAsync(readRows(file))).map(({ value, problem }) => problem ?? value);
  }

  const LINES = `${LONG}"}\n{"instruction":"Why?"}\n`;
  const files: Record<string, string | Buffer> = {
    'lines.jsonl': LINES,
    'bomb.jsonl.gz': gzipSync(LINES),
    'array.json': `[${LONG}"},{"instruction":"Why?"}]`,
  };
  for (const [name, content] of Object.entries(files))
    it(`with a row of 32 million characters loses this row only: ${name}`, async () => {
      const [first, second] = await read(await write(name, content));
      assert.match(String(first), /^(line 1|element 0) is longer than 16777216 characters$/);
      assert.deepEqual(second, { instruction: 'Why?' });
    });

  it('is not confused with an array of ordinary rows on one long line', async () => {
    const rows = `[${Array.from({ length: 20 }, () => `{"instruction":"${'a'.repeat(10 ** 6)}"}`).join(',')}]`;
    assert.equal((await read(await write('one-line.jsonl', rows))).length, 20);
  });

  it('with rows of a hundred thousand levels, also in a text, loses these rows only', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const values = [deep, JSON.stringify(deep), '[{"role":"user","content":"Why?"}]'];
    const file = await write('deep.jsonl', values.map((value) => `{"messages":${value}}\n`).join(''));
    const rows = await Array.fromAsync(readInstructions(file, 'auto'));
    const [first, second, third] = rows.map((row) => JSON.stringify(row));
    assert.match(first ?? '', /line 1 is not JSON: nested deeper than 100 levels/);
    assert.match(second ?? '', /it is a text that is not JSON/);
    assert.match(third ?? '', /"instruction":"Why\?"/);
  });

  it('with millions of rows in one row group is refused before they are read', async () => {
    const filename = join(folder, 'rows.parquet');
    const data = Array.from<boolean>({ length: 2 ** 23 + 1 }).fill(true);
    parquetWriteFile({ filename, rowGroupSize: data.length, columnData: [{ name: 'instruction', data }] });
    await assert.rejects(read(filename), {
      name: 'UnreadableFile',
      message: /has a row group of 8388609 rows .* Write it again with smaller ones/,
    });
  });
});
