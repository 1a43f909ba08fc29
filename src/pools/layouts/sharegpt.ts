import { messagesIn, textIn, type PoolLayout } from '../layout.ts';

const HUMAN = new Set(['human', 'user']);

/**
 * ShareGPT: `conversations` of `{from, value}`. The instruction is the first human turn, which needs no context. The
 * files that go round are cut into pieces: a piece that begins with the model's turn is left out, because its first
 * human turn answers something that isn't there.
 */
export const shareGpt: PoolLayout = {
  name: 'sharegpt',
  needed: ['conversations'],
  optional: [],
  read(row) {
    const messages = messagesIn(row, 'conversations');
    if ('reason' in messages) return messages;
    const spoken = messages.filter(({ from }) => from !== 'system');
    const [first] = spoken;
    if (first === undefined) return { kind: 'dropped', reason: 'empty conversation' };
    if (!HUMAN.has(first['from'] as string))
      return { kind: 'dropped', reason: 'conversation begins with the model' };
    const instruction = textIn(first, 'value');
    if (typeof instruction !== 'string') return instruction;
    return { instruction, turns: spoken.filter(({ from }) => HUMAN.has(from as string)).length };
  },
};
