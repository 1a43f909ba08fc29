import { LanguageSet, type DetectLanguage } from './language.ts';
import type { PoolRow } from './layout.ts';

/** A lowest and a highest value that are still taken; null: no bound. */
interface Bounds {
  readonly minimum: number | null;
  readonly maximum: number | null;
}

/** Which rows of a pool are wanted, each looked at by itself. */
export interface RowFilters {
  /** Languages to keep, by code or name; null keeps all. */
  readonly languages: readonly string[] | null;
  /** Where a row's language comes from: what the file says, what a detector says, or the latter where the file says nothing. */
  readonly languageFrom: 'field' | 'detection' | 'field-else-detection';
  readonly toxic: 'keep' | 'drop';
  readonly redacted: 'keep' | 'drop';
  /** Of the instruction, as Unicode code points. */
  readonly characters: Bounds;
  /** How often the user speaks in the conversation. */
  readonly turns: Bounds;
}

/** Says why a row is left out; undefined where it is wanted. The reason is one of a few, so that rows can be counted by it. */
export type RowFilter = (row: PoolRow) => { readonly reason: string; readonly detail?: string } | undefined;

/** @param detect needed unless languages come from the field alone */
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
    const said = filters.languageFrom === 'detection' ? undefined : row.language;
    const language = said ?? (filters.languageFrom === 'field' ? undefined : detect?.(spokenByUser(row)));
    if (language === undefined) return { reason: 'language unknown' };
    return languages.has(language) ? undefined : { reason: 'language', detail: language };
  };
}

/** Speakers' names and a system prompt say nothing about the language of who asks. */
function spokenByUser({ instruction, conversation }: PoolRow): string {
  const turns = conversation?.filter(({ role }) => role === 'user');
  return turns?.map(({ content }) => content).join('\n') ?? instruction;
}

/** Whether a filter ever asks the detector. */
export function needsDetector({ languages, languageFrom }: RowFilters): boolean {
  return languages !== null && languageFrom !== 'field';
}

function outside(value: number, { minimum, maximum }: Bounds, what: string) {
  if (minimum !== null && value < minimum)
    return { reason: `too few ${what}`, detail: `${value} of ${minimum}` };
  if (maximum !== null && value > maximum)
    return { reason: `too many ${what}`, detail: `${value} of ${maximum}` };
  return undefined;
}

/** Code points, counted only where something depends on it. */
function lengthOf(text: string, { minimum, maximum }: Bounds): number {
  if (minimum === null && maximum === null) return text.length;
  let points = 0;
  for (const _point of text) points += 1;
  return points;
}
