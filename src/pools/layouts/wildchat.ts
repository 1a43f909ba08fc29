import { messagesIn, textIn, type PoolLayout } from '../layout.ts';

/**
 * WildChat (allenai/WildChat-1M): conversations of users with a chat service. The instruction is the last user turn,
 * `conversation[2 * (turn - 1)].content`, as in the data that the paper's authors released.
 */
export const wildChat: PoolLayout = {
  name: 'wildchat',
  needed: ['conversation', 'turn'],
  optional: ['language', 'toxic', 'redacted'],
  read(row) {
    const messages = messagesIn(row, 'conversation');
    if ('reason' in messages) return messages;
    const { turn, language } = row;
    if (typeof turn !== 'number' || !Number.isInteger(turn) || turn < 1)
      return { kind: 'failed', reason: '"turn" is no number of turns' };
    const message = messages[2 * (turn - 1)];
    if (message?.['role'] !== 'user')
      return { kind: 'failed', reason: 'no user message where "turn" says the last one is' };
    const instruction = textIn(message, 'content');
    if (typeof instruction !== 'string') return instruction;
    return {
      instruction,
      turns: turn,
      language: typeof language === 'string' ? language : undefined,
      toxic: row['toxic'] === true || message['toxic'] === true,
      redacted: row['redacted'] === true || message['redacted'] === true,
    };
  },
};
