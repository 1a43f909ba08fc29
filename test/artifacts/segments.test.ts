import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSegments, SegmentWriter } from '../../src/artifacts/segments.ts';
import { temporaryStore } from './temporary-store.ts';

describe('segments', () => {
  const temporary = temporaryStore();
  const write = async (...records: object[]) => {
    const segment = await SegmentWriter.create(temporary.folder);
    for (const record of records) segment.append(record);
    await segment.close();
  };
  const idsThere = async () =>
    (await readSegments<{ id: string }>(temporary.folder)).map(({ id }) => id).sort();
  const files = async () =>
    (await readdir(temporary.folder))
      .filter((name) => name.startsWith('segment-'))
      .map((name) => join(temporary.folder, name));

  it('give back the records of every attempt, each in a file of its own', async () => {
    await write({ id: 'a', text: 'line\nbreak \u2028 é' }, { id: 'b' });
    await write({ id: 'c' });
    await write();
    assert.deepEqual(await idsThere(), ['a', 'b', 'c']);
    assert.equal((await files()).length, 3);
  });

  it('are read up to a last line that a crash has torn', async () => {
    await write({ id: 'a' });
    for (const file of await files()) await appendFile(file, '{"id":"torn","text":"hal');
    assert.deepEqual(await idsThere(), ['a']);
  });

  it('are read after a torn line that the segment of a later attempt follows', async () => {
    await write({ id: 'a' });
    for (const file of await files()) await appendFile(file, '{"id":"torn"');
    await write({ id: 'b' });
    assert.deepEqual(await idsThere(), ['a', 'b']);
  });

  it('are read around a line of which blocks never reached the disk', async () => {
    const file = join(temporary.folder, 'segment-1.jsonl');
    await mkdir(temporary.folder, { recursive: true });
    await writeFile(file, '{"id":"a"}\n{"id":"\0\0\0\0\0\0\0\0\n\0\0\0\0\n{"id":"b"}\n');
    assert.deepEqual(await idsThere(), ['a', 'b']);
  });

  it('have a record on disk within a second, while the attempt goes on', async () => {
    const segment = await SegmentWriter.create(temporary.folder);
    try {
      segment.append({ id: 'a' });
      const deadline = Date.now() + 1000;
      while ((await idsThere()).length === 0 && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.deepEqual(await idsThere(), ['a']);
    } finally {
      await segment.close();
    }
  });
});
