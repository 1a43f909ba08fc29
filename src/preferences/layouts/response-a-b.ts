import { dropped, failed, preferredIn, saidIn, turnsIn, type PreferenceLayout } from '../layout.ts';

/**
 * `instruction`, `responseA`, `responseB` as a judge's prompt names them, and `betterSide`: `A`, `B`, or `tie`, which says
 * that neither is better.
 */
export const responseAB: PreferenceLayout = {
  name: 'response-a-b',
  needed: ['instruction', 'responseA', 'responseB', 'betterSide'],
  read(row) {
    const { betterSide } = row;
    if (betterSide === 'tie') return dropped('tie');
    if (betterSide !== 'A' && betterSide !== 'B') return failed('"betterSide" is neither "A", "B" nor "tie"');
    const [a, b] = [saidIn(row, 'responseA'), saidIn(row, 'responseB')];
    const [chosen, rejected] = betterSide === 'A' ? [a, b] : [b, a];
    return preferredIn(turnsIn(row, 'instruction'), chosen, rejected, 'instruction');
  },
};
