import assert from 'node:assert/strict';
import { readTaskRecord, taskOfRow } from '../../src/datasets/task-records.ts';
import type { TaskName } from '../../src/method/tasks.ts';

describe('the record of a task', () => {
  it('is read from texts or messages, with its reference, rubric, subset and label', () => {
    assert.deepEqual(
      readTaskRecord('score', {
        prompt: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
          { role: 'user', content: 'Add.' },
        ],
        response: [{ role: 'assistant', content: '5' }],
        rubric: 'short',
        reference: null,
        subset: 'math',
        score: 7.5,
      }),
      {
        instruction: 'User: Hi\n\nAssistant: Hello\n\nUser: Add.',
        responses: ['5'],
        rubric: 'short',
        subset: 'math',
        label: 7.5,
      },
    );
    assert.deepEqual(readTaskRecord('rank', { instruction: 'Add.', responses: ['5', '6'], best: 1n }), {
      instruction: 'Add.',
      responses: ['5', '6'],
      label: 1,
    });
    for (const [correct, label] of [
      [true, 'correct'],
      [false, 'incorrect'],
    ] as const)
      assert.deepEqual(
        readTaskRecord('verify', { instruction: 'Add.', response: '5', reference: '6', correct }),
        { instruction: 'Add.', responses: ['5'], reference: '6', label },
      );
    assert.deepEqual(readTaskRecord('verify', { instruction: 'Add.', response: '5' }), {
      instruction: 'Add.',
      responses: ['5'],
    });
  });

  it('is of the task that its fields say, or of none', () => {
    const cases: [row: unknown, task: ReturnType<typeof taskOfRow>][] = [
      [{ responses: ['5', '6'] }, 'rank'],
      [{ response: '5', score: 7 }, 'score'],
      [{ response: '5', rubric: 'short', correct: null }, 'score'],
      [{ response: '5', correct: false }, 'verify'],
      [{ response: '5' }, undefined],
      [{ response: '5', reference: '6' }, undefined],
      [{ response: '5', score: 7, correct: true }, undefined],
      [{ responseA: '5', responseB: '6', response: null }, 'pair'],
      [{ chosen: '5', rejected: '6', response: '7' }, 'pair'],
      [{}, 'pair'],
      [[], 'pair'],
    ];
    for (const [value, task] of cases) assert.equal(taskOfRow(value), task, JSON.stringify(value));
  });

  const row = { instruction: 'Add.', response: '5' };
  const problems: [task: TaskName, row: unknown, problem: RegExp][] = [
    ['score', [], /^it is not an object$/],
    ['score', { response: '5' }, /^no field "instruction" or "prompt"$/],
    ['score', { instruction: ' ', response: '5' }, /^"instruction" is empty$/],
    ['score', { prompt: 'Add.' }, /^no field "response"$/],
    ['score', { prompt: [{ role: 'assistant', content: 'a' }], response: '5' }, /does not end with a user/],
    ['score', { ...row, rubric: '' }, /^"rubric" is empty; it may be omitted$/],
    ['score', { ...row, reference: 5 }, /^"reference" is no text; it may be omitted$/],
    ['score', { ...row, score: 0 }, /^"score" is 0, but must be a number from 1 to 10$/],
    ['score', { ...row, score: 10.5 }, /must be a number from 1 to 10$/],
    ['score', { ...row, score: '7' }, /^"score" is "7", but must be a number/],
    ['rank', row, /^no field "responses" with a list of responses$/],
    ['rank', { ...row, responses: ['5'] }, /^"responses" has 1 of them, but must have 2 to 26$/],
    ['rank', { ...row, responses: ['5', 6] }, /^"responses", number 1: "response" is neither text/],
    ['rank', { ...row, responses: ['5', '6'], best: 2 }, /^"best" is 2, but must be .* from 0 to 1$/],
    ['rank', { ...row, responses: ['5', '6'], best: 'A' }, /^"best" is "A", but must be the number/],
    ['verify', { ...row, correct: 'yes' }, /^"correct" is "yes", but must be true or false$/],
    ['verify', { ...row, correct: 1 }, /must be true or false$/],
  ];
  for (const [task, value, problem] of problems)
    it(`is refused for ${task} with: ${problem.source}`, () => {
      const read = readTaskRecord(task, value);
      assert(typeof read === 'string');
      assert.match(read, problem);
    });
});
