/** A judge of a run: the best one, the last one that it has trained, or that of an iteration (0 is the seed model). */
export interface JudgeReference {
  readonly runName: string;
  readonly which: 'best' | 'latest' | number;
}

/** The forms of a reference, for messages. */
export const JUDGE_REFERENCE_FORMS = 'run:NAME/best, run:NAME/latest, or run:NAME/2 for M_2';

const REFERENCE = /^run:(?<runName>[A-Za-z0-9][\w.-]*)\/(?<which>best|latest|\d{1,4})$/;

/** Parses `run:NAME/best`, `run:NAME/latest` or `run:NAME/2`; undefined for any other text. */
export function parseJudgeReference(text: string): JudgeReference | undefined {
  const { runName, which } = REFERENCE.exec(text)?.groups ?? {};
  if (runName === undefined || which === undefined) return undefined;
  return { runName, which: which === 'best' || which === 'latest' ? which : Number(which) };
}

/** The reference as text; {@link parseJudgeReference} parses it. */
export function formatJudgeReference(runName: string, which: JudgeReference['which']): string {
  return `run:${runName}/${which}`;
}
