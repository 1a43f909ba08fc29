import assert from 'node:assert/strict';
import { escapeMarkdown } from '../../src/platform/escape-markdown.ts';
import { oneLine, safeJson, safeLines } from '../../src/platform/shown-text.ts';
import { HOSTILE, RAW } from '../support/hostile-text.ts';

describe('a text from outside that is shown', () => {
  it('has no control or bidirectional character, and keeps all others', () => {
    for (const [name, text] of Object.entries(HOSTILE)) {
      assert.doesNotMatch(oneLine(text), RAW, name);
      assert.doesNotMatch(safeLines(text), RAW, name);
    }
    assert.equal(oneLine('a\nb\tc\r\nd'), 'a b c d');
    assert.equal(safeLines('a\nb\tc\r\nd'), 'a\nb\tc\nd');
    assert.equal(oneLine('naïve 👩‍🚀 日本語 עברית'), 'naïve 👩‍🚀 日本語 עברית');
    assert.equal(safeLines('a\uD800b'), 'a\uFFFDb');
  });

  it('is exact in JSON, which writes each of them as an escape', () => {
    const value = Object.fromEntries(
      Object.entries(HOSTILE).map(([name, text]) => [text, { [name]: [text] }]),
    );
    const json = safeJson(value);
    assert.doesNotMatch(json, RAW);
    assert(!json.includes('\n'));
    assert.deepEqual(JSON.parse(json), value);
    assert.match(safeJson('\u202E\u009b\u007f'), /^"\\u202e\\u009b\\u007f"$/);
  });

  it('is neither markup nor a link nor the end of a cell in Markdown', () => {
    const shown = escapeMarkdown('[a](b) | ![c](https://d.example) www.e.example f@g.example\n# <b>');
    assert.equal(
      shown,
      '\\[a\\](b) \\| \\!\\[c\\](https:<!-- -->//d.example) www.<!-- -->e.example f@<!-- -->g.example \\# &lt;b>',
    );
    for (const text of Object.values(HOSTILE)) assert.doesNotMatch(escapeMarkdown(text), RAW);
  });
});
