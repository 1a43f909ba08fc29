import { readTextField, type InstructionFormat } from './instruction-format.ts';

/** One instruction per row: `{instruction}`, or Alpaca's `{instruction, input}`, whose input is what the instruction is about. */
export const plainFormat: InstructionFormat = {
  name: 'plain',
  requiredColumns: ['instruction'],
  optionalColumns: ['input'],
  read(row) {
    const instruction = readTextField(row, 'instruction');
    if (typeof instruction !== 'string') return instruction;
    const input = readTextField({ input: row['input'] ?? '' }, 'input');
    if (typeof input !== 'string') return input;
    return { instruction: input.trim() === '' ? instruction : `${instruction}\n\n${input}`, turns: 1 };
  },
};
