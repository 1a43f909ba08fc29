import assert from 'node:assert/strict';
import { matchingRows, rowsOf, wordsOf } from '../../../src/report/page/matching-rows.ts';
import { sampleReport } from '../sample-report.ts';

describe('a search of judgments', () => {
  const rows = sampleReport().pairs.flatMap(rowsOf);
  const found = (search: string) => matchingRows(rows, { words: wordsOf(search) }).length;

  it('is for words, or for phrases in quotes, in lower case', () => {
    assert.deepEqual(wordsOf('  The "Second Largest" number "of'), ['the', 'second largest', 'number', 'of']);
    assert.deepEqual(wordsOf('""'), []);
  });

  it('finds what has all words, some in the pair and some in a judgment', () => {
    assert.equal(found(''), 12);
    assert.equal(found('LARGEST'), 6);
    assert.equal(found('largest looks'), 6);
    assert.equal(found('middle "[[c]]"'), 3);
    assert.equal(found('middle missing'), 0);
  });
});
