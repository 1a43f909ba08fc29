import { droppedRow, failedRow } from '../rows/unusable-row.ts';
import { buildPreference, readResponse, readTurns, type PreferenceFormat } from './preference-format.ts';

/**
 * `instruction`, `responseA`, `responseB` as in a judge's prompt, and `betterSide`: `A`, `B`, or `tie` if neither is
 * better.
 */
export const responseABFormat: PreferenceFormat = {
  name: 'response-a-b',
  requiredColumns: ['instruction', 'responseA', 'responseB', 'betterSide'],
  read(row) {
    const { betterSide } = row;
    if (betterSide === 'tie') return droppedRow('tie');
    if (betterSide === null || betterSide === undefined) return droppedRow('no label');
    if (betterSide !== 'A' && betterSide !== 'B')
      return failedRow('"betterSide" is neither "A", "B" nor "tie"');
    const [a, b] = [readResponse(row, 'responseA'), readResponse(row, 'responseB')];
    const [chosen, rejected] = betterSide === 'A' ? [a, b] : [b, a];
    return buildPreference(readTurns(row, 'instruction'), chosen, rejected, 'instruction');
  },
};
