import { readConversation, type InstructionFormat } from './instruction-format.ts';

/**
 * `conversation` of `{role, content}` (LMSYS-Chat-1M), up to its last user message. WildChat has its own format, which
 * takes only the last user message; name this format to include the messages before it.
 */
export const conversationFormat: InstructionFormat = {
  name: 'conversation',
  requiredColumns: ['conversation'],
  optionalColumns: ['language', 'toxic', 'redacted'],
  read(row) {
    const read = readConversation(row, 'conversation');
    if ('reason' in read) return read;
    const { language, toxic, redacted } = row;
    return {
      ...read,
      language: typeof language === 'string' ? language : undefined,
      toxic: toxic === true,
      redacted: redacted === true,
    };
  },
};
