import type { FindingGroup, Finding } from './finding.ts';

const MARKS = { ok: '✓', missing: '✗', note: '!' } as const satisfies Record<Finding['status'], string>;
const INDENT = 2;

/** The findings as text, grouped by subject; each problem is followed by how to fix it. */
export function findingsText(groups: readonly FindingGroup[]): string {
  const names = groups.flatMap(({ findings }) => findings.map(({ check }) => check.length));
  // A long field path must not move the other details to the right.
  const width = Math.min(24, Math.max(...names)) + 2;
  return groups
    .map(({ subject, findings }) =>
      [subject, ...findings.flatMap((finding) => lines(finding, width))].join('\n'),
    )
    .join('\n\n');
}

function lines({ check, status, detail, fix }: Finding, width: number): string[] {
  const prefix = `${' '.repeat(INDENT)}${MARKS[status]} `;
  const indent = ' '.repeat(prefix.length + width);
  return [
    `${prefix}${check.padEnd(width)}${check.length >= width ? ' ' : ''}${detail}`,
    ...(fix ?? '').split('\n').flatMap((line) => (line === '' ? [] : [`${indent}${line}`])),
  ];
}
