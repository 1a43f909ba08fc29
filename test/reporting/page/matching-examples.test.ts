import assert from 'node:assert/strict';
import { matchingExamples, exampleRows, searchTerms } from '../../../src/reporting/page/matching-examples.ts';
import { sampleReport } from '../../support/sample-report.ts';

describe('a search of judgments', () => {
  const rows = sampleReport().pairs.flatMap(exampleRows);
  const found = (search: string) => matchingExamples(rows, { words: searchTerms(search) }).length;

  it('is for words, or for phrases in quotes, in lower case', () => {
    assert.deepEqual(searchTerms('  The "Second Largest" number "of'), [
      'the',
      'second largest',
      'number',
      'of',
    ]);
    assert.deepEqual(searchTerms('""'), []);
  });

  it('finds examples with all words, some in the pair and some in a judgment', () => {
    assert.equal(found(''), 12);
    assert.equal(found('LARGEST'), 6);
    assert.equal(found('largest looks'), 6);
    assert.equal(found('middle "[[c]]"'), 3);
    assert.equal(found('middle missing'), 0);
  });
});
