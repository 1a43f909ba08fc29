import { buildPreference, readResponse, readTurns, type PreferenceFormat } from './preference-format.ts';

/** `conversations` that end with the user, and `chosen` and `rejected` as one message each: ShareGPT's preferences (LLaMA-Factory). */
export const shareGptPreferenceFormat: PreferenceFormat = {
  name: 'sharegpt',
  requiredColumns: ['conversations', 'chosen', 'rejected'],
  read: (row) =>
    buildPreference(
      readTurns(row, 'conversations'),
      readResponse(row, 'chosen'),
      readResponse(row, 'rejected'),
      'conversations',
    ),
};
