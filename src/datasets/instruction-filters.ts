import { LanguageSet, type DetectLanguage } from './language-detection.ts';
import type { InstructionRow } from './instruction-formats/instruction-format.ts';

/** The smallest and the largest allowed value; null: no bound. */
interface Bounds {
  readonly min: number | null;
  readonly max: number | null;
}

/** Filters that look at each row of a pool by itself. */
export interface RowFilters {
  /** Languages to keep, by code or name; null keeps all. */
  readonly languages: readonly string[] | null;
  /** The source of a row's language: the file's field, a detector, or the detector if the field is empty. */
  readonly languageSource: 'field' | 'detection' | 'field-else-detection';
  readonly toxic: 'keep' | 'drop';
  readonly redacted: 'keep' | 'drop';
  /** Length of the instruction in Unicode code points. */
  readonly characters: Bounds;
  /** Number of user messages in the conversation. */
  readonly turns: Bounds;
}

/** Returns why a row is dropped; undefined if it is kept. There are only a few reasons, so that rows can be counted by reason. */
export type RowFilter = (
  row: InstructionRow,
) => { readonly reason: string; readonly detail?: string } | undefined;

/** @param detect not needed if the language comes only from the field */
export function rowFilter(filters: RowFilters, detect: DetectLanguage | undefined): RowFilter {
  const languages = filters.languages === null ? undefined : new LanguageSet(filters.languages);
  return (row) => {
    if (filters.toxic === 'drop' && row.toxic === true) return { reason: 'toxic' };
    if (filters.redacted === 'drop' && row.redacted === true) return { reason: 'redacted' };
    const turns = outside(row.turns, filters.turns, 'turns');
    if (turns !== undefined) return turns;
    const characters = outside(
      lengthOf(row.instruction, filters.characters),
      filters.characters,
      'characters',
    );
    if (characters !== undefined || languages === undefined) return characters;
    const declared = filters.languageSource === 'detection' ? undefined : row.language;
    const language =
      declared ?? (filters.languageSource === 'field' ? undefined : detect?.(textsOfUser(row)));
    if (language === undefined) return { reason: 'language unknown' };
    return languages.has(language) ? undefined : { reason: 'language', detail: language };
  };
}

/** The user's messages without speakers' names and system prompt, which say nothing about the user's language. */
function textsOfUser({ instruction, conversation }: InstructionRow): string {
  const turns = conversation?.filter(({ role }) => role === 'user');
  return turns?.map(({ content }) => content).join('\n') ?? instruction;
}

/** Returns whether a filter uses the detector. */
export function needsLanguageDetector({ languages, languageSource }: RowFilters): boolean {
  return languages !== null && languageSource !== 'field';
}

function outside(value: number, { min, max }: Bounds, what: string) {
  if (min !== null && value < min) return { reason: `too few ${what}`, detail: `${value}, minimum ${min}` };
  if (max !== null && value > max) return { reason: `too many ${what}`, detail: `${value}, maximum ${max}` };
  return undefined;
}

/** The number of code points, which are counted only if there is a bound. */
function lengthOf(text: string, { min, max }: Bounds): number {
  if (min === null && max === null) return text.length;
  let points = 0;
  for (const _point of text) points += 1;
  return points;
}
