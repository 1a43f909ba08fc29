import type { Examination, Finding } from './finding.ts';

const MARKS = { ok: '✓', missing: '✗', note: '!' } as const satisfies Record<Finding['status'], string>;
const INDENT = 2;

/** The findings for a person: one below the other by subject, what is wrong with how to mend it. */
export function shownExaminations(examinations: readonly Examination[]): string {
  const names = examinations.flatMap(({ findings }) => findings.map(({ what }) => what.length));
  // A field's path may be long; the others don't follow it to the right.
  const width = Math.min(24, Math.max(...names)) + 2;
  return examinations
    .map(({ subject, findings }) =>
      [subject, ...findings.flatMap((finding) => lines(finding, width))].join('\n'),
    )
    .join('\n\n');
}

function lines({ what, status, found, mend }: Finding, width: number): string[] {
  const left = `${' '.repeat(INDENT)}${MARKS[status]} `;
  const below = ' '.repeat(left.length + width);
  return [
    `${left}${what.padEnd(width)}${what.length >= width ? ' ' : ''}${found}`,
    ...(mend ?? '').split('\n').flatMap((line) => (line === '' ? [] : [`${below}${line}`])),
  ];
}
