import assert from 'node:assert/strict';
import { pairProblem } from '../../src/method/pair-problem.ts';
import { isRefusal } from '../../src/method/refusal.ts';

describe('a refusal', () => {
  const refusals = [
    "I'm sorry, but I can't help with that.",
    'I’m sorry, I cannot assist with this request.',
    "Sorry, I can't provide that.",
    'I cannot fulfill your request. I am just an AI model.',
    "I can't create explicit content.",
    'As an AI language model, I cannot provide medical advice.',
    "Unfortunately, I'm not able to share that.",
    'I apologize, but I will not generate such content.',
    "I'm not comfortable writing that.",
    'I must decline.',
    '**I am unable to help you with that.**',
    "I'm sorry, but that's not something I can help with.",
  ];
  for (const text of refusals) it(`is: ${text}`, () => assert(isRefusal(text, 'response')));

  const answers = [
    'I am sorry to hear about your loss. Here is what you can do.',
    "Sorry for the confusion: the answer is 4, and I can't see another one.",
    "I can't believe it's not butter is a brand.",
    'I cannot overstate how important sleep is.',
    'Unfortunately, the train was late. I can provide the timetable.',
    'A refusal could read: "I cannot help with that."',
    'As an AI language model, I can explain: entropy grows.',
    'You cannot help everybody, but you can help one.',
    'Sorry',
    '',
  ];
  for (const text of answers) it(`is not: ${text}`, () => assert(!isRefusal(text, 'response')));

  it('in place of an instruction needs the voice of an assistant', () => {
    assert(!isRefusal("I can't access my files. What should I do?", 'instruction'));
    assert(isRefusal("I'm sorry, but I can't help with that.", 'instruction'));
  });

  it('is detected quickly in a megabyte of blanks and apologies', () => {
    assert(!isRefusal(' '.repeat(1_000_000), 'response'));
    assert(!isRefusal('I am sorry '.repeat(100_000), 'response'));
  });
});

describe('two responses', () => {
  const good = { instruction: 'x?', better: 'Four.', worse: 'Five.', similarInstruction: 'y?' };
  const cases: [what: string, change: Partial<typeof good>, problem: string | undefined][] = [
    ['that differ make a pair', {}, undefined],
    ['of which one is empty make none', { worse: ' \n' }, 'empty'],
    ['of which one refuses make none', { worse: 'I cannot help with that.' }, 'refusal'],
    ['that are equal make none', { worse: ' Four.\n' }, 'equal responses'],
    [
      'that differ in blanks and case make none',
      { better: 'Four  or\nfive.', worse: 'four or five.' },
      'responses differ only in white space and case',
    ],
    [
      'make none where x and its likeness differ in blanks and case',
      { similarInstruction: ' X? ' },
      'similar instruction equals the instruction',
    ],
  ];
  for (const [what, change, problem] of cases) {
    it(what, () => assert.equal(pairProblem({ ...good, ...change }, 'drop'), problem));
  }

  it('of which one refuses make a pair if refusals are kept', () => {
    assert.equal(pairProblem({ ...good, better: 'I cannot help with that.' }, 'keep'), undefined);
  });
});
