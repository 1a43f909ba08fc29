import assert from 'node:assert/strict';
import { formatJudgeReference, parseJudgeReference } from '../../src/runs/judge-reference.ts';

describe('a reference to a judge of a run', () => {
  it('names the best judge, the latest one, or the judge of an iteration', () => {
    assert.deepEqual(parseJudgeReference('run:embedded/best'), { runName: 'embedded', which: 'best' });
    assert.deepEqual(parseJudgeReference('run:embedded/latest'), { runName: 'embedded', which: 'latest' });
    assert.deepEqual(parseJudgeReference('run:my.run-2/12'), { runName: 'my.run-2', which: 12 });
    assert.deepEqual(parseJudgeReference('run:embedded/0'), { runName: 'embedded', which: 0 });
  });

  it('has no other form', () => {
    for (const text of [
      'embedded',
      'embedded@2',
      'run:embedded',
      'run:embedded/',
      'run:embedded/last',
      'run:a/b/2',
      'run:/2',
      'run:a/-1',
    ])
      assert.equal(parseJudgeReference(text), undefined, text);
  });

  it('is parsed from the text that it is formatted to', () => {
    for (const which of ['best', 'latest', 3] as const)
      assert.deepEqual(parseJudgeReference(formatJudgeReference('a', which)), { runName: 'a', which });
  });
});
