import { droppedRow } from '../rows/unusable-row.ts';
import { readMessageObjects, readTextField, type InstructionFormat } from './instruction-format.ts';

const HUMAN = new Set(['human', 'user']);

/**
 * ShareGPT: `conversations` of `{from, value}`. The instruction is the first human message, which needs no context. The
 * published files split long conversations into pieces; a piece that begins with the model's message is dropped, because
 * its first human message refers to a missing one.
 */
export const shareGptFormat: InstructionFormat = {
  name: 'sharegpt',
  requiredColumns: ['conversations'],
  optionalColumns: [],
  read(row) {
    const messages = readMessageObjects(row, 'conversations');
    if ('reason' in messages) return messages;
    const dialogue = messages.filter(({ from }) => from !== 'system');
    const [first] = dialogue;
    if (first === undefined) return droppedRow('empty conversation');
    if (!HUMAN.has(first['from'] as string)) return droppedRow('conversation begins with the model');
    const instruction = readTextField(first, 'value');
    if (typeof instruction !== 'string') return instruction;
    return { instruction, turns: dialogue.filter(({ from }) => HUMAN.has(from as string)).length };
  },
};
