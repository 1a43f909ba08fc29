import type { Problem } from './problem.ts';

/** Formats all problems that prevent a run from starting, one per line. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => `  ${path}: ${message}`);
  return `The run can't start because of ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${lines.join('\n')}`;
}
