/** The layouts' names as a configuration writes them; `layouts.ts` has one entry for each. No more than names, so that a client needs nothing else. */
export const POOL_LAYOUTS = [
  'wildchat',
  'ultrafeedback',
  'sharegpt',
  'oasst',
  'messages',
  'conversation',
  'prompt',
  'plain',
] as const;

export type LayoutName = (typeof POOL_LAYOUTS)[number];
