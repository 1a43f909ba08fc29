import { conversationIn, type PoolLayout } from '../layout.ts';

/**
 * Chat messages (OpenAI, TRL): `messages` of `{role, content}`. The instruction is the conversation up to its last user
 * turn, with its system prompt; what the assistant says after that is not read.
 */
export const messages: PoolLayout = {
  name: 'messages',
  needed: ['messages'],
  optional: [],
  read: (row) => conversationIn(row, 'messages'),
};
