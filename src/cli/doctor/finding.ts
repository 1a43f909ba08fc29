/** The result of one check of the doctor. */
export interface Finding {
  /** The subject of the check, such as `Python` or `workers: gpu`. */
  readonly check: string;
  /** `missing`: no run is possible without it. `note`: information, or something that runs do not need. */
  readonly status: 'ok' | 'missing' | 'note';
  /** The finding, in one line. */
  readonly detail: string;
  /** How to fix it: sentences and commands. */
  readonly fix?: string;
}

/** Findings about one subject. */
export interface FindingGroup {
  readonly subject: string;
  readonly findings: readonly Finding[];
}

export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail };
}

export function missing(check: string, detail: string, fix: string): Finding {
  return { check, status: 'missing', detail, fix };
}

export function note(check: string, detail: string, fix?: string): Finding {
  return { check, status: 'note', detail, ...(fix === undefined ? {} : { fix }) };
}

/** The message of an error with its lines joined into one. */
export function oneLineMessage(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').trim();
}
