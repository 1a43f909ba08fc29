import assert from 'node:assert/strict';
import { missingVerdict } from '../../src/method/missing-verdict.ts';
import { parseTaskVerdict, type TaskName, taskQuestion, taskVerdictForm } from '../../src/method/tasks.ts';

describe('the verdict of a task', () => {
  const cases: [task: TaskName, text: string, verdict: string | undefined, missing?: string][] = [
    ['score', 'It meets the rubric. [[7]]', '7'],
    ['score', '[[10]] of ten: [[10]]', '10'],
    ['score', 'so: [[[1]]]', '1'],
    ['score', 'First [[7]], on reflection [[8]]', undefined, 'several verdicts'],
    ['score', '[[7]] is near, [[11]] is not', undefined, 'several verdicts'],
    ['score', '[[0]]', undefined, 'a verdict that is no choice'],
    ['score', '[[11]]', undefined, 'a verdict that is no choice'],
    ['score', '[[07]]', undefined, 'a verdict that is no choice'],
    ['score', '[[7.5]]', undefined, 'almost: [[8/10]]'],
    ['score', '[[8/10]]', undefined, 'almost: [[8/10]]'],
    ['score', '[[ 8 ]]', undefined, 'almost: [[8/10]]'],
    ['score', 'I give [8].', undefined, 'almost: [8]'],
    ['score', 'I give 8/10.', undefined, 'almost: 8/10'],
    ['score', 'Final score: **8**', undefined, 'almost: Score: 8'],
    ['score', '[[-3]] [[８]] [[A]] [ [7] ]', undefined, 'almost: [8]'],
    ['score', '', undefined, 'empty'],
    ['rank', 'B is best. [[B]]', 'B'],
    ['rank', '[[C]]', 'C'],
    ['rank', '[[D]]', undefined, 'a verdict that is no choice'],
    ['rank', '[[A]] or [[B]]', undefined, 'several verdicts'],
    ['rank', '[[A]] but not [[D]]', undefined, 'several verdicts'],
    ['rank', '[[a]]', undefined, 'almost: [[a]]'],
    ['rank', '[[Assistant A]]', undefined, 'almost: [[Response A]]'],
    ['rank', '[A]', undefined, 'almost: [A]'],
    ['rank', 'It is A.', undefined, 'no verdict in the answer'],
    ['verify', 'The sum is 5. [[correct]]', 'correct'],
    ['verify', 'The sum is 5. [[incorrect]]', 'incorrect'],
    ['verify', '[[correct]], no: [[incorrect]]', undefined, 'several verdicts'],
    ['verify', '[[Correct]]', undefined, 'almost: [[Correct]]'],
    ['verify', '[incorrect]', undefined, 'almost: [correct]'],
    ['verify', 'My verdict is incorrect', undefined, 'almost: Verdict: correct'],
    ['verify', '[[not correct]]', undefined, 'no verdict in the answer'],
  ];
  for (const [task, text, verdict, missing] of cases)
    it(`${task}: ${JSON.stringify(text)} is ${verdict ?? `none (${missing})`}`, () => {
      assert.equal(parseTaskVerdict(task, text, 3), verdict);
      if (missing !== undefined)
        assert.equal(missingVerdict({ text }, undefined, taskVerdictForm(task)), missing);
    });

  it('is read behind the reasoning only', () => {
    const thought = (answer: string) => `<think>Perhaps [[3]], [[A]], [[correct]]?</think>${answer}`;
    assert.equal(parseTaskVerdict('score', thought('[[9]]'), 1), '9');
    assert.equal(parseTaskVerdict('rank', thought('[[B]]'), 2), 'B');
    assert.equal(parseTaskVerdict('verify', thought('[[incorrect]]'), 1), 'incorrect');
    assert.equal(parseTaskVerdict('score', thought(''), 1), undefined);
    assert.equal(parseTaskVerdict('score', '<think>[[9]]', 1), undefined);
    const own = [{ start: '(', end: ')' }];
    assert.equal(parseTaskVerdict('score', '(\n[[3]]) [[4]]', 1, own), '4');
  });

  it('is found at the end of a million brackets and digits', () => {
    for (const part of ['[', '[[', '[[1', '1', '[[A', '[[correct'])
      assert.equal(parseTaskVerdict('score', `${part.repeat(500_000)} [[5]]`, 1), '5');
  });
});

describe('the question of a task', () => {
  it('has the rubric and the reference of the record, or a general rubric', () => {
    const record = { instruction: 'Add.', responses: ['5'] };
    const plain = taskQuestion('score', record);
    assert.equal(plain.prompt, 'plain');
    assert.match(plain.values['rubric'] ?? '', /helpful/);
    const full = taskQuestion('score', { ...record, rubric: 'It is short.', reference: '6' });
    assert.deepEqual(full, {
      prompt: 'reference',
      values: { instruction: 'Add.', rubric: 'It is short.', response: '5', reference: '6' },
    });
    assert.deepEqual(taskQuestion('verify', { ...record, reference: '6' }).values, {
      instruction: 'Add.',
      response: '5',
      reference: '6',
    });
  });

  it('shows the responses of a ranking with their letters', () => {
    const { values } = taskQuestion('rank', { instruction: 'Add.', responses: ['5', '6', '7'] });
    assert.equal(
      values['responses'],
      ['A', 'B', 'C']
        .map((letter, i) => {
          const name = `Assistant ${letter}'s Answer`;
          return `[The Start of ${name}]\n${5 + i}\n[The End of ${name}]`;
        })
        .join('\n\n'),
    );
  });
});
