import { readConversation, type InstructionFormat } from './instruction-format.ts';

/** TRL's prompt-only format: `prompt` is a text, or the messages of a conversation. */
export const promptFormat: InstructionFormat = {
  name: 'prompt',
  requiredColumns: ['prompt'],
  optionalColumns: [],
  read: (row) =>
    typeof row['prompt'] === 'string'
      ? { instruction: row['prompt'], turns: 1 }
      : readConversation(row, 'prompt'),
};
