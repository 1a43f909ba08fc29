import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

describe('docs/security.md', () => {
  const text = readFileSync(join(root, 'docs', 'security.md'), 'utf8');
  const [, section = ''] = /^## Threats$(.*?)^## /ms.exec(text) ?? [];
  const rows = section
    .split('\n')
    .filter((line) => /^\|(?! (threat|---) )/.test(line))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')));

  it('has a table of threats', () => assert(rows.length > 0));

  for (const [, threat = '', protection = '', tests = ''] of rows) {
    it(`names a test that exists: ${threat}`, () => {
      assert.notEqual(protection, '');
      const named = [...tests.matchAll(/`([^`]+)`: (.+?)(?=, `|$)/g)];
      assert(
        named.length > 0,
        `expected "\`file\`: a part of a test's title" in the last column, found "${tests}"`,
      );
      for (const [, file = '', title = ''] of named) {
        assert(existsSync(join(root, file)), `${file} does not exist`);
        const source = readFileSync(join(root, file), 'utf8');
        assert(source.includes(title), `${file} has no test with "${title}" in its title`);
      }
    });
  }
});
