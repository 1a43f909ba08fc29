import { readConversation, type InstructionFormat } from './instruction-format.ts';

/**
 * Chat messages (OpenAI, TRL): `messages` of `{role, content}`. The instruction is the conversation up to its last user
 * message, including the system prompt; later messages of the assistant are ignored.
 */
export const messagesFormat: InstructionFormat = {
  name: 'messages',
  requiredColumns: ['messages'],
  optionalColumns: [],
  read: (row) => readConversation(row, 'messages'),
};
