import assert from 'node:assert/strict';
import {
  majorityVerdict,
  orderRequest,
  orderVerdict,
  pairVerdict,
} from '../../src/method/pair-comparison.ts';
import { resolveVoting } from '../../src/method/voting.ts';
import type { Verdict } from '../../src/method/verdict.ts';
import { sampleJudge } from '../support/sample-judge.ts';

const said = (...letters: string[]) =>
  letters.map((letter) => ({ text: letter === '' ? 'hm' : `[[${letter}]]`, finishReason: 'stop' }));

describe('comparing two responses', () => {
  it('renders the judge’s prompt, with the responses swapped in the other order', () => {
    const voting = resolveVoting(sampleJudge(), {});
    const pair = { instruction: 'I {responseA}', a: 'one', b: 'two' };
    const given = orderRequest(sampleJudge().prompt, pair, 'as-given', voting, 1);
    assert.deepEqual(given.messages, [
      { role: 'system', content: 'You judge.' },
      { role: 'user', content: 'x or y?' },
      { role: 'assistant', content: 'x. [[A]]' },
      { role: 'user', content: 'Q I {responseA} (A) one (B) two' },
    ]);
    const swapped = orderRequest(sampleJudge().prompt, pair, 'swapped', voting, 1);
    assert.equal(swapped.messages.at(-1)?.content, 'Q I {responseA} (A) two (B) one');
    assert.notEqual(given.seed, swapped.seed);
    assert.equal(orderRequest(sampleJudge().prompt, pair, 'as-given', voting, 1).seed, given.seed);
  });

  it('translates verdicts to the original order of the responses', () => {
    const swapped = orderVerdict('swapped', said('A', 'A', 'B', 'C', ''));
    assert.deepEqual(
      swapped.judgments.map(({ verdict }) => verdict),
      ['B', 'B', 'A', 'tie', 'none'],
    );
    assert.deepEqual(swapped.votes, { A: 1, B: 2, tie: 1, none: 1 });
    assert.equal(swapped.verdict, 'B');
  });

  it('takes the majority: votes without a verdict don’t count, and a draw is a tie', () => {
    const cases: [Verdict[], Verdict][] = [
      [['A', 'B', 'A'], 'A'],
      [['A', 'B'], 'tie'],
      [['tie', 'B', 'B'], 'B'],
      [['A', 'tie'], 'tie'],
      [['none', 'none', 'B'], 'B'],
      [['none'], 'none'],
      [[], 'none'],
    ];
    for (const [votes, verdict] of cases) assert.equal(majorityVerdict(votes), verdict, votes.join());
  });

  it('says whether both orders agree, or null if one is missing or has no verdict', () => {
    const of = (given: string, swapped?: string) => {
      const orders = [orderVerdict('as-given', said(given))];
      if (swapped !== undefined) orders.push(orderVerdict('swapped', said(swapped)));
      const { verdict, consistent } = pairVerdict(orders);
      return [verdict, consistent];
    };
    assert.deepEqual(of('A', 'B'), ['A', true]);
    assert.deepEqual(of('A', 'A'), ['tie', false]);
    assert.deepEqual(of('B', ''), ['B', null]);
    assert.deepEqual(of('C', 'C'), ['tie', true]);
    assert.deepEqual(of('B'), ['B', null]);
    assert.deepEqual(of('', ''), ['none', null]);
  });

  it('samples several votes with a temperature, and rejects a temperature of 0', () => {
    const judge = sampleJudge();
    assert.equal(resolveVoting(judge, {}).sampling.temperature, 0);
    assert.equal(resolveVoting(judge, { votes: 5 }).sampling.temperature, 0.7);
    assert.equal(resolveVoting(judge, { votes: 5, sampling: { temperature: 1 } }).sampling.topP, 0.9);
    assert.throws(() => resolveVoting(judge, { votes: 5, sampling: { temperature: 0 } }), {
      name: 'InvalidVoting',
      message: /5 votes at temperature 0 would all be the same/,
    });
    for (const votes of [0, 1.5, NaN])
      assert.throws(
        () => resolveVoting(judge, { votes }),
        /expected a whole number of 1 or more/,
        `${votes}`,
      );
  });
});
