import type { JudgmentOutcome } from './report-data.ts';

/** The titles of judgments in the report. */
export const OUTCOME_TITLES: Readonly<Record<JudgmentOutcome, string>> = {
  kept: 'Kept for training',
  rejected: 'Rejected in a preference pair',
  'correct, not kept': 'Correct, not kept',
  incorrect: 'Incorrect',
  truncated: 'Correct, but truncated',
  'no verdict': 'No verdict',
};
