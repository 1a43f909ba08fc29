import assert from 'node:assert/strict';
import { countReasons, formatReasons, missingVerdict } from '../../src/method/missing-verdict.ts';
import { learnedText, REASONING_MARKS, splitReasoning, wholeText } from '../../src/method/reasoning.ts';
import { parseVerdict, type Verdict } from '../../src/method/verdict.ts';

describe('the reasoning of a model', () => {
  const both = 'Is it [[A]] or [[B]]?';

  it('ends at the last mark of a known model, and the verdict is read behind it', () => {
    for (const { start = '', end } of REASONING_MARKS) {
      const texts = [
        `${start}\n${both}\n${end}\n\nA is right.\n\n[[A]]`,
        `${both}${end.toUpperCase()}[[A]]`,
        `${start}[[B]]${end}\n${start}${both} "${end}" is a mark.${end} [[A]] and not \`${end}\`.`,
      ];
      for (const text of texts) assert.equal(parseVerdict(text), 'A', text);
    }
    const harmony = `<|channel|>analysis<|message|>${both}<|end|><|start|>assistant<|channel|>final<|message|>[[B]]<|return|>`;
    assert.equal(parseVerdict(harmony), 'B');
  });

  it('is no verdict without an end, wherever it begins', () => {
    const texts = [
      `<think>\n${both} [[A]]`,
      '<think>[[A]]',
      '  \n<THINK> [[A]]',
      'Let me see.\n<think>\nSo [[A]]',
      '<think>[[B]]</think>\n<think>no: [[A]]',
      '[THINK]so [[A]]',
      '◁think▷so [[A]]',
      '<|start|>assistant<|channel|>analysis<|message|>so [[A]]',
    ];
    for (const text of texts) {
      assert.equal(parseVerdict(text), 'none', text);
      assert.equal(splitReasoning({ text }).answer, undefined);
    }
  });

  it('is not begun by a mark that an answer only mentions', () => {
    const mentions: [string, Verdict][] = [
      ['B shows its <think> tags. [[A]]', 'A'],
      ['`<think>` is no answer: [[B]]', 'B'],
      ['<think>hm</think>\nB leaks `</think>`, so [[A]]', 'A'],
      ['I think [[A]]', 'A'],
    ];
    for (const [text, verdict] of mentions) assert.equal(parseVerdict(text), verdict, text);
  });

  it('is found by the marks that are given, and by no others', () => {
    const marks = [{ start: '§', end: '§§' }, { end: '(done)' }];
    assert.equal(parseVerdict('§[[B]]§§[[A]]', marks), 'A');
    assert.equal(parseVerdict('[[B]] (done) [[A]]', marks), 'A');
    assert.equal(parseVerdict('§[[B]]', marks), 'none');
    assert.equal(parseVerdict('[[B]]</think>[[A]]', marks), 'none');
  });

  it('is learned with the answer or left out, and joins what a server returned apart', () => {
    const marks = REASONING_MARKS;
    const text = `<think>\n${both}\n</think>\n\n[[A]]`;
    assert.equal(learnedText({ text }, { marks, kept: true }), text);
    assert.equal(learnedText({ text }, { marks, kept: false }), '[[A]]');
    const apart = { text: '\n[[A]]', reasoning: `${both}\n` };
    assert.equal(learnedText(apart, { marks, kept: true }), text);
    assert.equal(learnedText(apart, { marks, kept: false }), '[[A]]');
    assert.equal(wholeText(apart, [{ start: '§', end: '§§' }]), `§\n${both}\n§§\n\n[[A]]`);
    const endless = { text: '<think>\nhm' };
    assert.equal(learnedText(endless, { marks, kept: false }), endless.text);
  });
});

describe('a judgment without a verdict', () => {
  it('has its reason', () => {
    const reasons: [Parameters<typeof missingVerdict>[0], string][] = [
      [{ text: '', finishReason: 'length', reasoning: 'hm' }, 'all tokens spent on reasoning'],
      [{ text: '<think>so [[A]]', finishReason: 'length' }, 'all tokens spent on reasoning'],
      [{ text: '<think>so [[A]]', finishReason: 'stop' }, 'reasoning without an end'],
      [{ text: ' ', finishReason: 'stop', reasoning: '[[A]]' }, 'empty after the reasoning'],
      [{ text: '<think>[[A]]</think>\n', finishReason: 'stop' }, 'empty after the reasoning'],
      [{ text: '', finishReason: 'length' }, 'empty: cut off at the limit of tokens'],
      [{ text: '', finishReason: 'content_filter' }, 'empty: content filter'],
      [{ text: '', finishReason: 'stop' }, 'empty'],
      [{ text: '[[A]] or [[B]]', finishReason: 'stop' }, 'several verdicts'],
      [{ text: 'both [[C]]', finishReason: 'stop' }, 'tie'],
      [{ text: 'A is so', finishReason: 'length' }, 'cut off at the limit of tokens'],
      [{ text: 'I can not decide.', finishReason: 'stop' }, 'no verdict in the answer'],
      [{ text: 'A good answer is a long one.' }, 'no verdict in the answer'],
      [{ text: 'See [a](b), and the answer is a map.' }, 'no verdict in the answer'],
    ];
    for (const [judgment, reason] of reasons)
      assert.equal(missingVerdict(judgment), reason, JSON.stringify(judgment));
  });

  it('is nearly one in the forms that judges write, at the end of the answer', () => {
    const forms: Record<string, string[]> = {
      '[[a]]': ['so [[a]]', '[[ A ]]', '[[b ]].'],
      '[[Response A]]': ['[[Response A]]', '[[A is better]]', '[[A>B]]', '[[Assistant B]]'],
      '\\boxed{A}': ['\\boxed{A}', '$\\boxed{\\text{B}}$', '\\boxed{Response A}'],
      '<verdict>A</verdict>': ['<verdict>A</verdict>', '<answer> Response B </answer>'],
      '"verdict": "A"': ['{"reason": "so", "verdict": "A"}', '{"winner":"Response B"}'],
      '[A]': ['[A]', 'Final verdict: [B]', '[Response A]', '【【A】】', '［［A］］', '[ [A] ]'],
      '**A**': ['**A**', 'So **Response B**.'],
      'Final verdict: A': [
        'Final verdict: A',
        '**Final Verdict:** B',
        'My verdict is Assistant A.',
        'The winner is: B',
        'Answer: A',
        'VERDICT: A',
      ],
      'Response A is better': ['Overall, Response A is better.', 'Assistant B clearly wins'],
      A: ['A', 'So:\nB.', 'It is hard.\n\n(A)'],
    };
    for (const [form, texts] of Object.entries(forms))
      for (const text of texts)
        assert.equal(missingVerdict({ text: `<think>hm</think>\nWhy.\n${text}` }), `almost: ${form}`, text);
    const early = `**A** is long. ${'word '.repeat(100)}`;
    assert.equal(missingVerdict({ text: early }), 'no verdict in the answer');
  });

  it('is counted by reason, the most frequent first', () => {
    const counts = countReasons(['empty', 'tie', 'empty', 'almost: [A]']);
    assert.deepEqual(Object.entries(counts), [
      ['empty', 2],
      ['almost: [A]', 1],
      ['tie', 1],
    ]);
    assert.equal(formatReasons(counts), 'empty (2), almost: [A] (1), tie (1)');
    assert.equal(formatReasons(counts, 1), 'empty (2), ...');
  });
});
