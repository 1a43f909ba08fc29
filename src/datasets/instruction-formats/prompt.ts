import { parseContent, isPartList } from '../messages/message-content.ts';
import { parseJsonConversation } from '../messages/parse-messages.ts';
import { readConversation, type InstructionFormat } from './instruction-format.ts';

/** TRL's prompt-only format: `prompt` is a text, or the messages of a conversation. */
export const promptFormat: InstructionFormat = {
  name: 'prompt',
  requiredColumns: ['prompt'],
  optionalColumns: [],
  read(row) {
    const prompt = parseJsonConversation(row['prompt']);
    const text = isPartList(prompt) ? parseContent(prompt, 'prompt') : prompt;
    if (typeof text === 'string') return { instruction: text, turns: 1 };
    return readConversation({ prompt }, 'prompt');
  },
};
