import assert from 'node:assert/strict';
import { createJudge, type JudgeFile, type JudgeOptions } from '../../src/client/index.ts';
import { responseQuality, sampleJudge } from '../support/sample-judge.ts';
import { startScriptedEndpoint, type Script, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';

const prompts = (user: string) => ({ plain: { user }, reference: { user: `${user} (REF) {reference}` } });
const tasks: JudgeFile['tasks'] = {
  score: prompts('SCORE {instruction} ({rubric}) {response}'),
  rank: prompts('RANK {instruction} ({rubric})\n{responses}'),
  verify: prompts('VERIFY {instruction} {response}'),
};

/** Answers each vote by a function of the question and of the number of the vote. */
const answering =
  (answer: (question: string, vote: number) => string): Script =>
  ({ body }) => ({
    kind: 'answer',
    texts: Array.from({ length: body.n ?? 1 }, (_, vote) =>
      answer(body.messages.at(-1)?.content ?? '', vote),
    ),
  });

/** Names the response with the largest number. */
function bestShown(question: string): string {
  const shown = [...question.matchAll(/Start of Assistant .'s Answer\]\n(.*)\n/g)].map(([, text = '']) =>
    responseQuality(text),
  );
  return `[[${'ABCDEFG'[shown.indexOf(Math.max(...shown))]}]]`;
}

describe('createJudge, for tasks beyond pairs', function () {
  this.timeout(60_000);
  let endpoint: ScriptedEndpoint;

  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ script: answering(bestShown), models: ['judge'] });
  });
  afterEach(() => endpoint.close());

  const at = (options: Partial<JudgeOptions> = {}) =>
    createJudge({
      baseUrl: endpoint.baseUrl,
      model: 'judge',
      judge: sampleJudge({ tasks }),
      attempts: 2,
      ...options,
    });
  const questions = () => endpoint.requests.map(({ body }) => body.messages.at(-1)?.content);

  it('scores a response by a rubric, as the mean of the votes that have a score', async () => {
    endpoint.script(answering((_, vote) => ['Good. [[8]]', '[[5]]', '[[11]]'][vote] ?? ''));
    const { score, judgments, requests, tokens } = await at({ votes: 3 }).score('which?', 'it is 3', {
      rubric: 'short',
    });
    assert.deepEqual([score, requests], [6.5, 1]);
    assert.deepEqual(
      judgments.map(({ verdict, missing }) => [verdict, missing]),
      [
        [8, undefined],
        [5, undefined],
        ['none', 'a verdict that is no choice'],
      ],
    );
    assert(tokens.prompt > 0 && tokens.completion > 0);
    assert.deepEqual(questions(), ['SCORE which? (short) it is 3']);
    endpoint.script(answering(() => 'I cannot say.'));
    assert.equal((await at().score('which?', 'it is 3')).score, null);
  });

  it('verifies a response against a reference; a draw is no verdict', async () => {
    endpoint.script(answering(() => '<think>[[incorrect]]</think>[[correct]]'));
    const { verdict, judgments, requests } = await at().verify('which?', 'it is 3', { reference: '3' });
    assert.deepEqual([verdict, judgments.length, requests], ['correct', 1, 1]);
    assert.deepEqual(questions(), ['VERIFY which? it is 3 (REF) 3']);
    const { verdict: rules } = sampleJudge();
    const verdictRules = { ...rules, reasoningMarks: [{ start: '(', end: ')' }] };
    endpoint.script(answering(() => '(\n[[incorrect]])[[correct]]'));
    const own = at({ judge: sampleJudge({ tasks, verdict: verdictRules }) });
    assert.equal((await own.verify('which?', 'it is 3')).verdict, 'correct');
    endpoint.script(answering((_, vote) => (vote === 0 ? '[[correct]]' : '[[incorrect]]')));
    assert.equal((await at({ votes: 2 }).verify('which?', 'it is 3')).verdict, 'none');
    assert.equal((await at({ votes: 3 }).verify('which?', 'it is 3')).verdict, 'incorrect');
  });

  it('ranks responses at once, by their shares of the verdicts in all places', async () => {
    const judge = at({ orders: 'both' });
    assert.deepEqual(judge.requestsFor(3, 'at-once'), { comparisons: 0, requests: 3 });
    const { ranked, turns, requests } = await judge.rank('which?', ['it is 3', 'it is 9', 'it is 7'], {
      tournament: 'at-once',
      rubric: 'large',
    });
    assert.deepEqual(ranked, [
      { index: 1, rank: 1, points: 1 },
      { index: 0, rank: 2, points: 0 },
      { index: 2, rank: 2, points: 0 },
    ]);
    assert.equal(requests, 3);
    assert.deepEqual(
      turns?.map(({ shown, verdict, judgments }) => [shown, verdict, judgments[0]?.text]),
      [
        [[0, 1, 2], 1, '[[B]]'],
        [[1, 2, 0], 1, '[[A]]'],
        [[2, 0, 1], 1, '[[C]]'],
      ],
    );
    // A judge that always prefers a place arrives at no winner.
    endpoint.script(answering(() => '[[A]]'));
    const biased = await judge.rank('which?', ['1', '2', '3'], { tournament: 'at-once' });
    assert.deepEqual(
      biased.ranked.map(({ rank }) => rank),
      [1, 1, 1],
    );
    const one = await at().rank('which?', ['1', '2', '3'], { tournament: 'at-once' });
    assert.deepEqual([one.requests, one.ranked[0]], [1, { index: 0, rank: 1, points: 1 }]);
  });

  it('asks nothing about one response, and refuses more than there are letters', async () => {
    const alone = await at().rank('which?', ['1'], { tournament: 'at-once' });
    assert.deepEqual([alone.ranked, alone.requests], [[{ index: 0, rank: 1, points: 0 }], 0]);
    assert.equal(at().requestsFor(1, 'at-once').requests, 0);
    const many = Array.from({ length: 27 }, String);
    await assert.rejects(
      at().rank('which?', many, { tournament: 'at-once' }),
      /^RangeError: at-once ranks at most 26/,
    );
    assert.equal(endpoint.requests.length, 0);
  });

  it('says which prompts judge.json lacks', async () => {
    const judge = at({ judge: sampleJudge() });
    await assert.rejects(judge.score('which?', '3'), /^InvalidJudgeFile: .*add tasks\.score to it/);
    await assert.rejects(judge.verify('which?', '3'), /add tasks\.verify to it/);
    await assert.rejects(
      judge.rank('which?', ['3', '4'], { tournament: 'at-once' }),
      /add tasks\.rank to it/,
    );
    const broken = { ...tasks, verify: prompts('VERIFY {instruction}') };
    assert.throws(
      () => at({ judge: sampleJudge({ tasks: broken }) }),
      /tasks\.verify\.plain\.user: must have \{instruction\} and \{response\}; tasks\.verify\.reference/,
    );
  });
});
