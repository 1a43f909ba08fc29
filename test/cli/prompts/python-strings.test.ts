import assert from 'node:assert/strict';
import { pythonString } from '../../../src/cli/prompts/python-strings.ts';

describe('the strings of Python source', () => {
  it('are joined over lines, in parentheses and between comments', () => {
    const source = `other = "no"\ntext = (\n    "One (two) " # three "four"\n    'five "six"'\n)\nmore = 1\n`;
    assert.equal(pythonString(source, 'text'), 'One (two) five "six"');
  });

  it('have their escapes resolved as Python does', () => {
    assert.equal(
      pythonString(String.raw`text = "a\n\t\"b\" \\'c\' \d \x41B \u00e9"`, 'text'),
      'a\n\t"b" \\\'c\' \\d AB é',
    );
    assert.equal(pythonString('text = """a \\\nb\n\nc"""', 'text'), 'a b\n\nc');
    assert.equal(pythonString(String.raw`text = r"a\n"`, 'text'), String.raw`a\n`);
  });

  it('are stripped if Python strips them', () => {
    assert.equal(pythonString('text = """\n a\n""".strip()', 'text'), 'a');
    assert.equal(pythonString('text = """\n a\n"""', 'text'), '\n a\n');
  });

  it('are found by the key and the number of a value', () => {
    const source = `text = "no"\nlist = [\n  {"role": "a", "content": first},\n  {"role": "b", 'content': "two" "three"},\n]\n`;
    const at = (occurrence: number) => pythonString(source, 'list', { key: 'content', occurrence });
    assert.deepEqual([at(0), at(1), at(2)], [undefined, 'twothree', undefined]);
  });

  it('are none if the value is not a plain string', () => {
    for (const value of ['f"a {b}"', '"a" + b', '"a" % b', '"a".format(b)', '"a', 'a', '("a" b)', '"a" f"b"'])
      assert.equal(pythonString(`text = ${value}\n`, 'text'), undefined, value);
    assert.equal(pythonString('context = "a"', 'text'), undefined);
  });
});
