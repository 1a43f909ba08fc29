/** The layouts' names as a configuration writes them; `layouts.ts` has one entry for each. No more than names, so that a client needs nothing else. */
export const PREFERENCE_LAYOUTS = [
  'preference',
  'implicit-prompt',
  'better-worse',
  'response-a-b',
  'helpsteer2',
] as const;

export type PreferenceLayoutName = (typeof PREFERENCE_LAYOUTS)[number];
