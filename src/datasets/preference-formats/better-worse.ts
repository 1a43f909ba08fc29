import { buildPreference, readResponse, readTurns, type PreferenceFormat } from './preference-format.ts';

/** `instruction`, `better`, `worse`: the format of a run's own pairs (`<run>/pairs/shard-.../records.jsonl`). */
export const betterWorseFormat: PreferenceFormat = {
  name: 'better-worse',
  requiredColumns: ['instruction', 'better', 'worse'],
  read: (row) =>
    buildPreference(
      readTurns(row, 'instruction'),
      readResponse(row, 'better'),
      readResponse(row, 'worse'),
      'instruction',
    ),
};
