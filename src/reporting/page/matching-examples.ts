import type { JudgmentOutcome, ReportExample, ReportPair } from '../report-data.ts';

/** A row of the list: an example with its searchable texts in lower case. */
export interface ExampleRow {
  readonly pair: ReportPair;
  readonly example: ReportExample;
  /** The instruction and both responses. All rows of a pair share this string. */
  readonly pairText: string;
  /** The texts of the judgments. */
  readonly text: string;
}

/** The selected filters; undefined matches everything. */
export interface ExampleFilter {
  readonly iteration?: number | undefined;
  readonly category?: string | undefined;
  readonly outcome?: JudgmentOutcome | undefined;
  /** Search terms in lower case; all of them must occur. */
  readonly words: readonly string[];
}

export function exampleRows(pair: ReportPair): ExampleRow[] {
  const pairText = [pair.id, pair.instruction, pair.better, pair.worse].join('\n').toLowerCase();
  return pair.examples.map((example) => ({
    pair,
    example,
    pairText,
    text: example.judgments
      .map(({ text }) => text)
      .join('\n')
      .toLowerCase(),
  }));
}

/** Splits a search into terms in lower case. Text in quotes is one term. */
export function searchTerms(search: string): string[] {
  return [...search.toLowerCase().matchAll(/"([^"]+)"?|[^\s"]+/g)].map(([term, quoted]) => quoted ?? term);
}

/** The rows that match the filter. A linear search through 36 MB takes less than a frame (bench/report.ts). */
export function matchingExamples(
  rows: readonly ExampleRow[],
  { iteration, category, outcome, words }: ExampleFilter,
): ExampleRow[] {
  let pairText = '';
  let notInPair: readonly string[] = words;
  return rows.filter((row) => {
    if (iteration !== undefined && row.example.iteration !== iteration) return false;
    if (category !== undefined && (row.pair.category ?? 'unknown') !== category) return false;
    if (outcome !== undefined && !row.example.judgments.some((judgment) => judgment.outcome === outcome))
      return false;
    if (words.length === 0) return true;
    // The rows of a pair are consecutive.
    if (row.pairText !== pairText) {
      pairText = row.pairText;
      notInPair = words.filter((word) => !pairText.includes(word));
    }
    return notInPair.every((word) => row.text.includes(word));
  });
}
