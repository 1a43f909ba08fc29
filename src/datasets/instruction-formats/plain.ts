import { readTextField, type InstructionFormat } from './instruction-format.ts';

/** One instruction per row: `{instruction}`. */
export const plainFormat: InstructionFormat = {
  name: 'plain',
  requiredColumns: ['instruction'],
  optionalColumns: [],
  read(row) {
    const instruction = readTextField(row, 'instruction');
    return typeof instruction === 'string' ? { instruction, turns: 1 } : instruction;
  },
};
