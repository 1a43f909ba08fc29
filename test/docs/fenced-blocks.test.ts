import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fencedBlocks } from './fenced-blocks.ts';

describe('fencedBlocks', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'markdown-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function blocksOf(...lines: string[]) {
    const file = join(folder, 'text.md');
    await writeFile(file, lines.join('\n'));
    return fencedBlocks(file);
  }

  it('returns each block with its heading, its language and the number of its first line', async () => {
    const blocks = await blocksOf(
      ...['```', 'before any heading', '```', '# One', '```sh title', '# no heading', '', 'ls', '```'],
      ...['## Two ##', '- a list', '', '  ~~~~json', '  {', '    "a": "~~~"', '  }', '  ~~~~'],
    );
    assert.deepEqual(blocks, [
      { heading: '', language: '', text: 'before any heading', line: 2 },
      { heading: 'One', language: 'sh', text: '# no heading\n\nls', line: 6 },
      { heading: 'Two', language: 'json', text: '{\n  "a": "~~~"\n}', line: 14 },
    ]);
  });

  it('throws an error that names the line of a block without an end', async () => {
    await assert.rejects(blocksOf('text', '```sh', 'ls'), /from line 3 on has no end/);
  });
});
