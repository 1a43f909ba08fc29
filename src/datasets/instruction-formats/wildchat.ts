import { failedRow } from '../rows/unusable-row.ts';
import { messageItems, messageRole, parseTurn } from '../messages/parse-messages.ts';
import type { InstructionFormat } from './instruction-format.ts';

/**
 * WildChat (allenai/WildChat-1M): conversations of users with a chat service. The instruction is the last user message,
 * `conversation[2 * (turn - 1)].content`, as in the data released by the paper's authors.
 */
export const wildChatFormat: InstructionFormat = {
  name: 'wildchat',
  requiredColumns: ['conversation', 'turn'],
  optionalColumns: ['language', 'toxic', 'redacted'],
  read(row) {
    const messages = messageItems(row['conversation'], 'conversation');
    if ('reason' in messages) return messages;
    const { turn, language } = row;
    if (typeof turn !== 'number' || !Number.isInteger(turn) || turn < 1)
      return failedRow('"turn" is not a positive whole number');
    const message = messages[2 * (turn - 1)];
    if (message === undefined || messageRole(message) !== 'user')
      return failedRow('the message at the position of "turn" is not a user message');
    const read = parseTurn(message, 'conversation');
    if ('reason' in read) return read;
    return {
      instruction: read.text,
      turns: turn,
      language: typeof language === 'string' ? language : undefined,
      toxic: row['toxic'] === true || message['toxic'] === true,
      redacted: row['redacted'] === true || message['redacted'] === true,
    };
  },
};
