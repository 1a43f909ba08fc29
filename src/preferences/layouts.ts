import type { PreferenceLayoutName } from './layout-names.ts';
import type { PreferenceLayout } from './layout.ts';
import { betterWorse } from './layouts/better-worse.ts';
import { helpSteer2 } from './layouts/helpsteer2.ts';
import { implicitPrompt } from './layouts/implicit-prompt.ts';
import { preference } from './layouts/preference.ts';
import { responseAB } from './layouts/response-a-b.ts';

/** Every layout by its name in the configuration. */
export const preferenceLayouts: Readonly<Record<PreferenceLayoutName, PreferenceLayout>> = {
  preference,
  'implicit-prompt': implicitPrompt,
  'better-worse': betterWorse,
  'response-a-b': responseAB,
  helpsteer2: helpSteer2,
};
