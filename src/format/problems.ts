import type { Problem } from '../config/read-configuration.ts';

/** Everything that keeps a run from starting, a line each. */
export function problemsText(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => `  ${path}: ${message}`);
  return `The run can't start, ${problems.length === 1 ? 'one thing is' : `${problems.length} things are`} wrong:\n${lines.join('\n')}`;
}
