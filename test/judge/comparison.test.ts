import assert from 'node:assert/strict';
import { majorityVerdict, orderRequest, orderVerdict, pairVerdict } from '../../src/judge/comparison.ts';
import { votingOf } from '../../src/judge/voting.ts';
import type { Verdict } from '../../src/judge/verdict.ts';
import { sampleJudge } from '../judging/sample-judge.ts';

const said = (...letters: string[]) =>
  letters.map((letter) => ({ text: letter === '' ? 'hm' : `[[${letter}]]`, finishReason: 'stop' }));

describe('comparing two given responses', () => {
  it('asks the judge in its own words, with the responses exchanged in the other order', () => {
    const voting = votingOf(sampleJudge(), {});
    const pair = { instruction: 'I {responseA}', a: 'one', b: 'two' };
    const given = orderRequest(sampleJudge().prompt, pair, 'as-given', voting, 1);
    assert.deepEqual(given.messages, [
      { role: 'system', content: 'You judge.' },
      { role: 'user', content: 'x or y?' },
      { role: 'assistant', content: 'x. [[A]]' },
      { role: 'user', content: 'Q I {responseA} (A) one (B) two' },
    ]);
    const exchanged = orderRequest(sampleJudge().prompt, pair, 'exchanged', voting, 1);
    assert.equal(exchanged.messages.at(-1)?.content, 'Q I {responseA} (A) two (B) one');
    assert.notEqual(given.seed, exchanged.seed);
    assert.equal(orderRequest(sampleJudge().prompt, pair, 'as-given', voting, 1).seed, given.seed);
  });

  it('reads verdicts as of the responses that were given, whichever letter they had', () => {
    const exchanged = orderVerdict('exchanged', said('A', 'A', 'B', 'C', ''));
    assert.deepEqual(
      exchanged.judgments.map(({ verdict }) => verdict),
      ['B', 'B', 'A', 'tie', 'none'],
    );
    assert.deepEqual(exchanged.votes, { A: 1, B: 2, tie: 1, none: 1 });
    assert.equal(exchanged.verdict, 'B');
  });

  it('counts most votes: those without a verdict are none, and a draw is a tie', () => {
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

  it('says whether both orders agree, and nothing about it where one is missing or has no verdict', () => {
    const of = (given: string, exchanged?: string) => {
      const orders = [orderVerdict('as-given', said(given))];
      if (exchanged !== undefined) orders.push(orderVerdict('exchanged', said(exchanged)));
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

  it('samples votes so that they differ, and refuses those that would not', () => {
    const judge = sampleJudge();
    assert.equal(votingOf(judge, {}).sampling.temperature, 0);
    assert.equal(votingOf(judge, { votes: 5 }).sampling.temperature, 0.7);
    assert.equal(votingOf(judge, { votes: 5, sampling: { temperature: 1 } }).sampling.topP, 0.9);
    assert.throws(() => votingOf(judge, { votes: 5, sampling: { temperature: 0 } }), {
      name: 'VotingRefused',
      message: /5 votes at temperature 0 would all be the same/,
    });
    for (const votes of [0, 1.5, NaN])
      assert.throws(() => votingOf(judge, { votes }), /must be 1 or more/, `${votes}`);
  });
});
