import type { Outcome, ReportExample, ReportPair } from '../report-data.ts';

/** A line of the list: a pair in one order as one judge saw it, and what is searched of it, in lower case. */
export interface Row {
  readonly pair: ReportPair;
  readonly example: ReportExample;
  /** The instruction and both responses; one string for all rows of the pair. */
  readonly pairText: string;
  /** The judgments. */
  readonly text: string;
}

/** What is looked for; undefined for anything. */
export interface Wanted {
  readonly iteration?: number | undefined;
  readonly category?: string | undefined;
  readonly outcome?: Outcome | undefined;
  /** In lower case; all of them must be found. */
  readonly words: readonly string[];
}

export function rowsOf(pair: ReportPair): Row[] {
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

/** The words of a search, in lower case; what stands in quotes is one. */
export function wordsOf(search: string): string[] {
  return [...search.toLowerCase().matchAll(/"([^"]+)"?|[^\s"]+/g)].map(([whole, quoted]) => quoted ?? whole);
}

/** The rows that have all that is wanted. Plain scanning: of 36 MB it is done within a frame (bench/report.ts). */
export function matchingRows(rows: readonly Row[], { iteration, category, outcome, words }: Wanted): Row[] {
  let pairText = '';
  let notInPair: readonly string[] = words;
  return rows.filter((row) => {
    if (iteration !== undefined && row.example.iteration !== iteration) return false;
    if (category !== undefined && (row.pair.category ?? 'unknown') !== category) return false;
    if (outcome !== undefined && !row.example.judgments.some((one) => one.outcome === outcome)) return false;
    if (words.length === 0) return true;
    // Rows of one pair follow each other.
    if (row.pairText !== pairText) {
      pairText = row.pairText;
      notInPair = words.filter((word) => !pairText.includes(word));
    }
    return notInPair.every((word) => row.text.includes(word));
  });
}
