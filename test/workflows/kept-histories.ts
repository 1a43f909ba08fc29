/** The recorded histories beside the tests: JSON in the server's form, without details of a machine. */
import { join } from 'node:path';
import { historyToJSON, type History } from '@temporalio/common/lib/proto-utils.js';

export const HISTORIES_FOLDER = join(import.meta.dirname, 'histories');

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** A history as text, an event a line, with everything replaced that the patterns find, in payloads too. */
export function historyToText(history: History, replacements: readonly [RegExp, string][]): string {
  const replace = (text: string) =>
    replacements.reduce((result, [pattern, by]) => result.replace(pattern, by), text);
  const { events } = mapTexts(JSON.parse(historyToJSON(history)) as Json, replace) as { events: Json[] };
  return `{"events":[\n${events.map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`;
}

/** Every text of a history, those in its payloads too. */
export function textsOf(history: unknown): string[] {
  const texts: string[] = [];
  mapTexts(history as Json, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}

/** A copy with every text mapped. A payload's data is text behind base64. */
function mapTexts(value: Json, map: (text: string) => string): Json {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, field]): [string, Json] => {
    if (name !== 'data' || typeof field !== 'string') return [name, mapTexts(field, map)];
    const text = Buffer.from(field, 'base64').toString('utf8');
    return [name, Buffer.from(map(text)).toString('base64')];
  });
  return Object.fromEntries(entries);
}
