import assert from 'node:assert/strict';
import { parseCategory } from '../../src/method/parse-category.ts';

const names = ['coding', 'reasoning', 'C++', 'daily life'];

describe('the category of an answer', () => {
  const cases: [meaning: string, text: string, category: string | undefined][] = [
    ['is the answer itself', 'reasoning', 'reasoning'],
    ['is the answer itself in other case, with blanks and a full stop', ' Daily Life.\n', 'daily life'],
    ['is the only name among other words', 'It belongs to **Coding**, I think.', 'coding'],
    ['may hold characters that mean something in a pattern', 'Category: c++!', 'C++'],
    ['is none where two are named', 'coding or reasoning', undefined],
    ['is none where none is named', 'cooking', undefined],
    ['is none where a name is only part of a word', 'encoding, unreasoning', undefined],
    ['is none in an empty answer', '', undefined],
  ];
  for (const [meaning, text, category] of cases) {
    it(meaning, () => assert.equal(parseCategory(text, names), category));
  }

  it('is found after half a megabyte of full stops', () => {
    assert.equal(parseCategory(`${'. '.repeat(250_000)}coding`, names), 'coding');
  });
});
