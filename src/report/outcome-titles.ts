import type { Outcome } from './report-data.ts';

/** What stands above a judgment. */
export const OUTCOME_TITLES: Readonly<Record<Outcome, string>> = {
  kept: 'Kept for training',
  rejected: 'Rejected in a preference pair',
  'right, not kept': 'Right, not kept',
  wrong: 'Wrong',
  'cut off': 'Right, but cut off',
  'no verdict': 'No verdict',
};
