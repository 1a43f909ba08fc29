import { isFilled } from '../rows/json-object.ts';
import { messageItems, messageRole, parseTurn } from '../messages/parse-messages.ts';
import { droppedRow } from '../rows/unusable-row.ts';
import type { InstructionFormat } from './instruction-format.ts';

/**
 * ShareGPT: `conversations` of `{from, value}`, or of `{role, content}`. The instruction is the first human message, which
 * needs no context. The published files split long conversations into pieces; a piece that begins with the model's message
 * is dropped, because its first human message refers to a missing one.
 */
export const shareGptFormat: InstructionFormat = {
  name: 'sharegpt',
  requiredColumns: ['conversations'],
  optionalColumns: [],
  read({ conversations }) {
    if (Array.isArray(conversations) && !isFilled(conversations)) return droppedRow('empty conversation');
    const messages = messageItems(conversations, 'conversations');
    if ('reason' in messages) return messages;
    const dialogue = messages.filter((message) => messageRole(message) !== 'system');
    const [first] = dialogue;
    if (first === undefined) return droppedRow('empty conversation');
    const turn = parseTurn(first, 'conversations');
    if ('reason' in turn) return turn;
    if (turn.role === 'assistant') return droppedRow('conversation begins with the model');
    if (turn.role === 'tool') return droppedRow('conversation begins with a tool');
    return {
      instruction: turn.text,
      turns: dialogue.filter((message) => messageRole(message) === 'user').length,
    };
  },
};
