import { conversationIn, type PoolLayout } from '../layout.ts';

/** TRL's prompt-only layout: `prompt` is a text, or the messages of a conversation. */
export const prompt: PoolLayout = {
  name: 'prompt',
  needed: ['prompt'],
  optional: [],
  read: (row) =>
    typeof row['prompt'] === 'string'
      ? { instruction: row['prompt'], turns: 1 }
      : conversationIn(row, 'prompt'),
};
