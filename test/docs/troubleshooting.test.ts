import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** The sources, without line breaks inside of texts that are put together. */
function sources(): string {
  const files = ['src', 'scripts', 'trainer'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|mjs|py)$/.test(file))
      .map((file) => readFileSync(join(root, folder, file), 'utf8')),
  );
  return files.join('\n').replaceAll(/[`'"] \+\s+[`'"]/g, '');
}

describe('docs/troubleshooting.md', () => {
  const text = readFileSync(join(root, 'docs', 'troubleshooting.md'), 'utf8');
  const code = sources();

  for (const [, message = ''] of text.matchAll(/^### `(.*)`$/gm)) {
    it(`names a message that is printed: ${message}`, () => {
      // What is filled in stands in the code as an expression.
      assert(code.includes(message), `nothing in the code says "${message}"`);
    });
  }
});
