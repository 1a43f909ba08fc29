import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { type FileRow, readRows, UnreadableFile } from '../../../src/datasets/rows/read-rows.ts';

describe('readRows', () => {
  let folder: string;
  const at = (name: string) => path.join(folder, name);

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'read-rows-'));
  });

  after(() => rm(folder, { recursive: true }));

  async function rowsOf(name: string, columns?: string[]): Promise<FileRow[]> {
    const rows: FileRow[] = [];
    for await (const row of readRows(at(name), columns ? { columns } : {})) rows.push(row);
    return rows;
  }

  async function assertUnreadable(name: string, ...patterns: RegExp[]): Promise<void> {
    await assert.rejects(rowsOf(name), (error: unknown) => {
      assert(error instanceof UnreadableFile);
      assert(error.message.startsWith(at(name)), error.message);
      for (const pattern of patterns) assert.match(error.message, pattern);
      return true;
    });
  }

  it('reads parquet over several row groups, with int64 and timestamps as JSON values', async () => {
    parquetWriteFile({
      filename: at('rows.parquet'),
      rowGroupSize: 2,
      columnData: [
        { name: 'text', data: ['one', 'two 😀', 'three', 'four', 'five'], type: 'STRING' },
        { name: 'id', data: [1n, 2n, 3n, 4n, 2n ** 60n], type: 'INT64' },
        { name: 'when', data: Array.from({ length: 5 }, () => new Date(0)), type: 'TIMESTAMP' },
      ],
    });
    const rows = await rowsOf('rows.parquet', ['text', 'id']);
    assert.deepEqual(
      rows.map(({ row }) => row),
      [0, 1, 2, 3, 4],
    );
    assert.deepEqual(rows[1]?.value, { text: 'two 😀', id: 2 });
    assert.deepEqual(rows[4]?.value, { text: 'five', id: '1152921504606846976' });
    const [first] = await rowsOf('rows.parquet');
    assert.deepEqual(first?.value, { text: 'one', id: 1, when: '1970-01-01T00:00:00.000Z' });
  });

  it('reads parquet that is compressed with zstd', async () => {
    parquetWriteFile({
      filename: at('zstd.parquet'),
      codec: 'ZSTD',
      compressors: { ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes) },
      columnData: [
        { name: 'text', data: Array.from({ length: 3000 }, (_, i) => `a longer text ${i}`), type: 'STRING' },
      ],
    });
    const rows = await rowsOf('zstd.parquet');
    assert.equal(rows.length, 3000);
    assert.deepEqual(rows[2999], { row: 2999, value: { text: 'a longer text 2999' } });
  });

  it('names the column that a parquet file lacks and those that it has', async () => {
    parquetWriteFile({
      filename: at('few.parquet'),
      columnData: [{ name: 'text', data: ['x'], type: 'STRING' }],
    });
    await assert.rejects(
      rowsOf('few.parquet', ['text', 'chosen']),
      /no column "chosen"; its columns are "text"/,
    );
  });

  it('yields a malformed line as a problem with its line number and continues', async () => {
    await writeFile(at('rows.jsonl'), '\uFEFF{"a":1}\r\n\n{"a":\n[2]\n{"a":"\u2028","b":2}');
    const rows = await rowsOf('rows.jsonl', ['a']);
    assert.deepEqual(
      rows.map(({ row, value }) => [row, value]),
      [
        [0, { a: 1 }],
        [1, undefined],
        [2, [2]],
        [3, { a: '\u2028' }],
      ],
    );
    assert.match(rows[1]?.problem ?? '', /line 3 is not JSON/);
  });

  it('keeps characters intact that are split between two chunks of a compressed file', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) =>
      JSON.stringify({ text: `${'é😀'.repeat(i % 7)}${i}` }),
    );
    await writeFile(at('rows.jsonl.gz'), gzipSync(lines.join('\n')));
    const rows = await rowsOf('rows.jsonl.gz');
    assert.deepEqual(
      rows.map(({ value }) => JSON.stringify(value)),
      lines,
    );
  });

  it('reads a JSON array and rejects other JSON', async () => {
    await writeFile(at('rows.json'), '[{"a":1},{"a":2}]');
    assert.deepEqual(
      (await rowsOf('rows.json')).map(({ value }) => value),
      [{ a: 1 }, { a: 2 }],
    );
    await writeFile(at('object.json'), '{"a":1}');
    await assertUnreadable('object.json', /no JSON array/, /\.jsonl/);
    await writeFile(at('empty.json'), ' ');
    await assertUnreadable('empty.json', /no JSON array/);
    await writeFile(at('rows.json.gz'), gzipSync('\uFEFF [{"a":"[","b":[{}]}, {"a":2}]'));
    assert.deepEqual(await rowsOf('rows.json.gz', ['a']), [
      { row: 0, value: { a: '[' } },
      { row: 1, value: { a: 2 } },
    ]);
    await writeFile(at('torn.json'), '[{"a":1},');
    await assertUnreadable('torn.json', /can't be read to the end/);
  });

  it('names the absolute path and what is allowed when a file is missing, of another kind or damaged', async () => {
    await assertUnreadable(
      'nowhere.jsonl',
      /does not exist/,
      /\.parquet, \.jsonl, \.jsonl\.gz, \.json or \.json\.gz/,
    );
    await assertUnreadable('rows.csv', /unknown extension/, /\.parquet/);
    await writeFile(at('broken.parquet'), 'PAR1 not really');
    await assertUnreadable('broken.parquet', /can't be read to the end/);
    const whole = gzipSync('{"a":1}\n'.repeat(10_000));
    await writeFile(at('torn.jsonl.gz'), whole.subarray(0, whole.length - 20));
    await assertUnreadable('torn.jsonl.gz', /can't be read to the end: .*end of file/);
    await writeFile(at('empty.parquet'), '');
    await assertUnreadable('empty.parquet');
  });

  it('closes a file when the consumer stops before its end', async function () {
    // Only Linux lists the open files of a process.
    if (!existsSync('/proc/self/fd')) this.skip();
    const lines = '{"a":1}\n'.repeat(500_000);
    await writeFile(at('long.jsonl'), lines);
    await writeFile(
      at('long.jsonl.gz'),
      gzipSync(
        Array.from({ length: 300_000 }, (_, number) => `{"a":${Math.imul(number, 2654435761)}}\n`).join(''),
      ),
    );
    await writeFile(at('long.json'), `[${lines.trim().replaceAll('\n', ',')}]`);
    for (const name of ['long.jsonl', 'long.jsonl.gz', 'long.json']) {
      for await (const { row } of readRows(at(name))) {
        if (row === 0) assert.equal(await openCount(at(name)), 1, name);
        if (row === 3) break;
      }
      for (let tries = 0; (await openCount(at(name))) > 0; tries += 1) {
        assert(tries < 100, `${name} is still open`);
        await setTimeout(20);
      }
    }
  });

  /** How often this process has a file open. */
  async function openCount(file: string): Promise<number> {
    const descriptors = await readdir('/proc/self/fd');
    const targets = descriptors.map((descriptor) => readlink(`/proc/self/fd/${descriptor}`).catch(() => ''));
    return (await Promise.all(targets)).filter((target) => target === file).length;
  }
});
