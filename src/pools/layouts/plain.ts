import { textIn, type PoolLayout } from '../layout.ts';

/** One instruction a row: `{instruction}`. */
export const plain: PoolLayout = {
  name: 'plain',
  needed: ['instruction'],
  optional: [],
  read(row) {
    const instruction = textIn(row, 'instruction');
    return typeof instruction === 'string' ? { instruction, turns: 1 } : instruction;
  },
};
