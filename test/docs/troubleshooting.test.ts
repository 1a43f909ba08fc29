import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** The text of all source files. Concatenated string literals are joined, so that messages can be found as a whole. */
function sources(): string {
  const files = ['src', 'trainer'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|mjs|py)$/.test(file))
      .map((file) => readFileSync(join(root, folder, file), 'utf8')),
  );
  return files.join('\n').replaceAll(/[`'"](?: \+\s+|\n\s+f?)[`'"]/g, '');
}

describe('docs/troubleshooting.md', () => {
  const text = readFileSync(join(root, 'docs', 'troubleshooting.md'), 'utf8');
  const code = sources();

  const headings = [...text.matchAll(/^### `(.*)`$/gm)].map(([, quoted = '']) => quoted);
  for (const message of headings.flatMap((quoted) => quoted.split('`, `'))) {
    it(`quotes a message that the code prints: ${message}`, () => {
      // Headings quote only the parts of messages that are not filled in, because the code has expressions in their place.
      assert(code.includes(message), `no source file contains "${message}"`);
    });
  }
});
