import assert from 'node:assert/strict';
import { placeholders, renderInConversation, renderPrompt } from '../../src/method/prompt-template.ts';

const template = {
  system: 'Judge {instruction}.',
  user: 'A: {responseA}\nB: {responseB}\nagain: {responseA}',
};
const userText = (user: string, values: Record<string, string>) => renderPrompt({ user }, values)[0]?.content;

describe('a prompt', () => {
  it('is a system and a user message with all placeholders filled in', () => {
    assert.deepEqual(renderPrompt(template, { instruction: 'x', responseA: 'left', responseB: 'right' }), [
      { role: 'system', content: 'Judge x.' },
      { role: 'user', content: 'A: left\nB: right\nagain: left' },
    ]);
  });

  it('has its examples unchanged between system and user message', () => {
    const examples = [{ user: 'A {instruction}', assistant: '[[A]]' }];
    assert.deepEqual(renderPrompt({ ...template, examples }, { instruction: 'x' }).slice(0, 3), [
      { role: 'system', content: 'Judge x.' },
      { role: 'user', content: 'A {instruction}' },
      { role: 'assistant', content: '[[A]]' },
    ]);
  });

  it('takes the place of a conversation’s last message, with its system message before the conversation’s own', () => {
    const earlier = [
      { role: 'system', content: 'Be brief: {instruction}.' },
      { role: 'user', content: 'Hi \ud83d' },
      { role: 'assistant', content: 'Hello' },
    ] as const;
    const examples = [{ user: 'q', assistant: 'a' }];
    assert.deepEqual(
      renderInConversation({ system: 'S', examples, user: '> {instruction}' }, { instruction: 'x' }, earlier),
      [
        { role: 'system', content: 'S\n\nBe brief: {instruction}.' },
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'Hi \ufffd' },
        { role: 'assistant', content: 'Hello' },
        { role: 'user', content: '> x' },
      ],
    );
  });

  it('has no system message if the template has none', () => {
    assert.deepEqual(renderPrompt({ user: '{instruction}' }, { instruction: 'x' }), [
      { role: 'user', content: 'x' },
    ]);
  });

  it('inserts replacement patterns in a value unchanged', () => {
    const hostile = "$& $1 $$ $` $' $<name>";
    assert.equal(userText('before {instruction} after', { instruction: hostile }), `before ${hostile} after`);
  });

  it('replaces a lone surrogate, which no tokenizer accepts, by U+FFFD', () => {
    assert.equal(userText('{instruction}', { instruction: 'a \ud83d b 😀' }), 'a \ufffd b 😀');
  });

  it('inserts a placeholder in a value unchanged', () => {
    const values = { instruction: '{responseA} {responseB}', responseA: '{instruction}', responseB: 'b' };
    assert.equal(userText('{instruction}|{responseA}', values), '{responseA} {responseB}|{instruction}');
  });

  it('keeps a placeholder without a value, even one with the name of an inherited property', () => {
    const text = '{constructor} {toString} {unknown} {} {two words} {"json": {"a": 1}} {{instruction}}';
    assert.equal(userText(text, { instruction: 'x' }), text.replace('{instruction}', 'x'));
  });

  it('lists its placeholders from both messages without duplicates', () => {
    assert.deepEqual(placeholders(template), new Set(['instruction', 'responseA', 'responseB']));
  });
});
