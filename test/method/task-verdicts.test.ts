import assert from 'node:assert/strict';
import { requestedTurns, taskTurn, taskVerdict } from '../../src/method/task-verdicts.ts';
import { farthestScore, type TaskName } from '../../src/method/tasks.ts';

const turn = (task: TaskName, shown: readonly number[], ...texts: string[]) =>
  taskTurn(
    task,
    shown,
    texts.map((text) => ({ text, finishReason: 'stop' })),
  );

describe('the verdict of several judgments of a task', () => {
  it('is the mean of the scores, without judgments that have none', () => {
    const { verdict, points, consistent } = taskVerdict('score', [
      turn('score', [0], '[[4]]', '[[9]]', '[[8]] or [[9]]'),
    ]);
    assert.deepEqual([verdict, points, consistent], [6.5, undefined, null]);
    assert.equal(taskVerdict('score', [turn('score', [0], 'none')]).verdict, 'none');
  });

  it('is the most frequent one, and none for a draw', () => {
    const of = (...texts: string[]) => taskVerdict('verify', [turn('verify', [0], ...texts)]).verdict;
    assert.equal(of('[[correct]]', '[[incorrect]]', '[[correct]]'), 'correct');
    assert.equal(of('[[correct]]', '[[incorrect]]', 'I cannot say'), 'none');
    assert.equal(of('I cannot say'), 'none');
  });

  it('refers to the responses in their original order, and says whether all places agree', () => {
    const same = taskVerdict('rank', [turn('rank', [0, 1], '[[B]]'), turn('rank', [1, 0], '[[A]]')]);
    assert.deepEqual([same.verdict, same.consistent, same.points], [1, true, [0, 1]]);
    const biased = taskVerdict('rank', [turn('rank', [0, 1], '[[A]]'), turn('rank', [1, 0], '[[A]]')]);
    assert.deepEqual([biased.verdict, biased.consistent, biased.points], ['none', false, [0.5, 0.5]]);
    const half = taskVerdict('rank', [turn('rank', [0, 1], '[[A]]'), turn('rank', [1, 0], 'none')]);
    assert.deepEqual([half.verdict, half.consistent, half.points], [0, null, [1, 0]]);
    assert.deepEqual(half.turns[1]?.judgments[0]?.missing, 'no verdict in the answer');
    assert.deepEqual(taskVerdict('rank', [turn('rank', [0, 1], 'none')]).points, [0, 0]);
  });

  it('comes from one order, or from as many as there are responses', () => {
    assert.deepEqual(requestedTurns(3, { orders: 'one' }), [[0, 1, 2]]);
    assert.deepEqual(requestedTurns(3, { orders: 'both' }), [
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
    ]);
    assert.deepEqual(requestedTurns(1, { orders: 'both' }), [[0]]);
  });
});

describe('the farthest score', () => {
  it('is the end of the scale that is farther away', () => {
    assert.deepEqual([1, 5, 5.5, 6, 10].map(farthestScore), [10, 10, 10, 1, 1]);
  });
});
