import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { splitLines } from '../../../src/datasets/rows/json-text.ts';
import { columnsOf } from '../../../src/datasets/rows/file-columns.ts';
import { countRows, readRows, UnreadableFile } from '../../../src/datasets/rows/read-rows.ts';

describe('the text of a data file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'encodings-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function read(name: string, content: string | Buffer): Promise<unknown[]> {
    const file = path.join(folder, name);
    await writeFile(file, content);
    const rows = await Array.fromAsync(readRows(file));
    assert.equal(await countRows(file), rows.length);
    assert.deepEqual(
      rows.map(({ row }) => row),
      rows.map((_row, index) => index),
    );
    return rows.map(({ value, problem }) => problem ?? value);
  }
  const refuses = (name: string, content: Buffer, message: RegExp) =>
    assert.rejects(read(name, content), (error: unknown) => {
      assert(error instanceof UnreadableFile);
      assert(error.message.startsWith(path.join(folder, name)), error.message);
      assert.match(error.message, message);
      return true;
    });

  const text = '{"a":"Ärger 😀"}\n{"a":"è"}\n';
  const values = [{ a: 'Ärger 😀' }, { a: 'è' }];
  const littleEndian = Buffer.from(`\uFEFF${text}`, 'utf16le');

  it('may be UTF-8 or UTF-16 with a byte order mark, also in a compressed file and an array', async () => {
    assert.deepEqual(await read('utf8.jsonl', `\uFEFF${text}`), values);
    assert.deepEqual(await read('little.jsonl', littleEndian), values);
    assert.deepEqual(await read('big.jsonl.gz', gzipSync(Buffer.from(littleEndian).swap16())), values);
    assert.deepEqual(await read('array.json', Buffer.from('\uFEFF[{"a":"è"}]', 'utf16le')), [{ a: 'è' }]);
    assert.deepEqual(await read('two-marks.jsonl', '\uFEFF{"a":1}\n\uFEFF{"a":2}\n'), [{ a: 1 }, { a: 2 }]);
    assert.deepEqual(await read('short.jsonl', '7'), [7]);
    assert.deepEqual(await columnsOf(path.join(folder, 'little.jsonl')), ['a']);
  });

  it('keeps characters that are split between the chunks of a file', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => ({ a: `${'é😀'.repeat(i % 7)}${i}` }));
    const lines = rows.map((row) => JSON.stringify(row));
    const marked = (content: string) => Buffer.from(`\uFEFF${content}`, 'utf16le');
    assert.deepEqual(await read('long-16.jsonl', marked(lines.join('\r\n'))), rows);
    assert.deepEqual(await read('long-8.jsonl', lines.join('\r\n')), rows);
    assert.deepEqual(await read('long.json', `[${lines.join(',\n')}]`), rows);
  });

  it('is refused with line and byte if it is not UTF-8, and by name if it is another encoding', async () => {
    const latin1 = Buffer.from('{"a":"ok"}\r\n{"a":"ok"}\r{"a":"caf\xe9"}\n', 'latin1');
    await refuses('latin1.jsonl', latin1, /is not UTF-8: line 3, byte 10 of the line is 0xE9.*iconv/);
    await refuses('latin1.jsonl.gz', gzipSync(latin1), /line 3, byte 10 of the line is 0xE9/);
    await refuses(
      'array.json',
      Buffer.from('[\n{"a":"\xff"}]', 'latin1'),
      /line 2, byte 7 of the line is 0xFF/,
    );
    const cut = Buffer.concat([Buffer.from('{"a":1}\n{"b":"é'), Buffer.from([0xf0, 0x9f, 0x98])]);
    await refuses('cut.jsonl', cut, /line 2, byte 9 of the line is 0xF0/);
    const far = Buffer.concat([Buffer.from('{"a":"é"}\n'.repeat(100_000)), Buffer.from([0x80, 0x0a])]);
    await refuses('far.jsonl', far, /line 100001, byte 1 of the line is 0x80/);
    await refuses('utf32.jsonl', Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0]), /UTF-32.*UTF-8/);
    await refuses('unmarked.jsonl', Buffer.from(text, 'utf16le'), /UTF-16 without a byte order mark/);
    await refuses('odd.jsonl', Buffer.concat([littleEndian, Buffer.from([0x41])]), /not valid UTF-16/);
  });

  it('has lines that end with a newline, a carriage return or both, and blank lines between them', async () => {
    const rows = [{ a: 1 }, { a: '\u2028\u0085' }, { a: 3 }];
    const lines = rows.map((row) => JSON.stringify(row));
    for (const end of ['\n', '\r\n', '\r'])
      assert.deepEqual(await read('lines.jsonl', `${end}${lines.join(`${end} ${end}${end}`)}${end}`), rows);
    assert.deepEqual(await read('mixed.jsonl', `${lines[0]}\r${lines[1]}\r\n${lines[2]}`), rows);
    const [, problem] = await read('torn.jsonl', '{"a":1}\r\n\r\n{"a":\r\n');
    assert.match(String(problem), /^line 3 is not JSON/);
  });

  it('has the same lines wherever its chunks end', async () => {
    async function* chunks(...texts: string[]) {
      yield* texts;
    }
    const lines = (...texts: string[]) => Array.fromAsync(splitLines(chunks(...texts)));
    assert.deepEqual(await lines('a\r', '\nb\r', 'c\n', '', 'd', 'e\r'), ['a', 'b', 'c', 'de']);
    assert.deepEqual(await lines('a', '\r', '\n', '\r', '\n', 'b'), ['a', '', 'b']);
  });

  it('may have the numbers that only Python writes, which are missing values', async () => {
    const line = '{"a":NaN,"b":[-Infinity,Infinity,"NaN, \\"Infinity"],"c":-1.5}';
    const value = { a: null, b: [null, null, 'NaN, "Infinity'], c: -1.5 };
    assert.deepEqual(await read('numbers.jsonl', `${line}\n{"a":NaNs}\n`), [
      value,
      `line 2 is not JSON: Unexpected token 'N', "{"a":NaNs}" is not valid JSON`,
    ]);
    assert.deepEqual(await read('numbers.json', `[${line}, NaN]`), [value, null]);
    parquetWriteFile({
      filename: path.join(folder, 'numbers.parquet'),
      columnData: [{ name: 'a', data: [NaN, -Infinity, 1.5], type: 'DOUBLE' }],
    });
    const rows = await Array.fromAsync(readRows(path.join(folder, 'numbers.parquet')));
    assert.deepEqual(
      rows.map(({ value: row }) => row),
      [{ a: null }, { a: null }, { a: 1.5 }],
    );
  });

  it('is an array or lines, whatever the name of the file', async () => {
    const rows = [{ a: '],[', b: [{}] }, { a: '\\"' }];
    const pretty = JSON.stringify(rows, null, 2);
    for (const name of ['rows.json', 'rows.jsonl']) {
      assert.deepEqual(await read(name, pretty), rows);
      assert.deepEqual(await read(name, JSON.stringify(rows)), rows);
      assert.deepEqual(await read(name, '[]'), []);
      assert.deepEqual(await read(name, rows.map((row) => JSON.stringify(row)).join('\n')), rows);
    }
    assert.deepEqual(await read('lists.jsonl', '[1]\n[2]\n'), [[1], [2]]);
    const [first, broken, last] = await read('broken.json', '[{"a":1}, {"a":}, 3]');
    assert.deepEqual([first, last], [{ a: 1 }, 3]);
    assert.match(String(broken), /^element 1 is not JSON/);
    await refuses('object.json', Buffer.from('{\n"a": 1\n}'), /no JSON array.*\.jsonl/);
    await refuses(
      'more.json',
      Buffer.from('[1] 2'),
      /can't be read to the end: text follows the end of the array/,
    );
    await refuses(
      'torn.jsonl',
      Buffer.from('[\n{"a":1},\n'),
      /can't be read to the end: the array has no end/,
    );
  });
});
