/** What the doctor has found out about one thing. */
export interface Finding {
  /** What was looked at, such as `Python` or `workers: gpu`. */
  readonly what: string;
  /** `missing`: without it no run can be done. `note`: good to know, or runs do without it. */
  readonly status: 'ok' | 'missing' | 'note';
  /** What is there, in a line. */
  readonly found: string;
  /** How to mend it: sentences and commands. */
  readonly mend?: string;
}

/** Findings about one subject. */
export interface Examination {
  readonly subject: string;
  readonly findings: readonly Finding[];
}

export function ok(what: string, found: string): Finding {
  return { what, status: 'ok', found };
}

export function missing(what: string, found: string, mend: string): Finding {
  return { what, status: 'missing', found, mend };
}

export function note(what: string, found: string, mend?: string): Finding {
  return { what, status: 'note', found, ...(mend === undefined ? {} : { mend }) };
}

/** The message of an error in a line, without what would follow on further lines. */
export function lineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').trim();
}
