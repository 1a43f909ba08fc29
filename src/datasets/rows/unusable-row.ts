/** Why a row can't be used: it is damaged (`failed`), or its format leaves it out (`dropped`). */
export interface UnusableRow {
  readonly kind: 'failed' | 'dropped';
  /** One of a few reasons, so that rows can be counted by reason. */
  readonly reason: string;
}

export function failedRow(reason: string): UnusableRow {
  return { kind: 'failed', reason };
}

export function droppedRow(reason: string): UnusableRow {
  return { kind: 'dropped', reason };
}
