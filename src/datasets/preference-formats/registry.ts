import { betterWorseFormat } from './better-worse.ts';
import { helpSteer2Format } from './helpsteer2.ts';
import { implicitPromptFormat } from './implicit-prompt.ts';
import { preferenceFormat } from './preference.ts';
import type { PreferenceFormat } from './preference-format.ts';
import { responseABFormat } from './response-a-b.ts';
import { shareGptPreferenceFormat } from './sharegpt.ts';

/** All formats of preferences by their names in the configuration. */
export const preferenceFormats = {
  preference: preferenceFormat,
  'implicit-prompt': implicitPromptFormat,
  'better-worse': betterWorseFormat,
  'response-a-b': responseABFormat,
  helpsteer2: helpSteer2Format,
  sharegpt: shareGptPreferenceFormat,
} satisfies Readonly<Record<string, PreferenceFormat>>;

export type PreferenceFormatName = keyof typeof preferenceFormats;

export const PREFERENCE_FORMATS = Object.keys(preferenceFormats) as readonly PreferenceFormatName[];
