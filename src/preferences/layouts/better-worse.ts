import { preferredIn, saidIn, turnsIn, type PreferenceLayout } from '../layout.ts';

/** `instruction`, `better`, `worse`: the pairs of a run, as they stand in its store (`<run>/pairs/shard-.../records.jsonl`). */
export const betterWorse: PreferenceLayout = {
  name: 'better-worse',
  needed: ['instruction', 'better', 'worse'],
  read: (row) =>
    preferredIn(turnsIn(row, 'instruction'), saidIn(row, 'better'), saidIn(row, 'worse'), 'instruction'),
};
