import { quantity } from '../../platform/quantity.ts';

const MAX_SHOWN = 5;

/**
 * Says how many rows of a file have a problem, and shows the first few.
 * @param problems one for each row, which it names
 * @param what the words behind the number of rows, such as `can't be used`
 */
export function describeRowProblems(file: string, problems: readonly string[], what: string): string {
  const more = problems.length > MAX_SHOWN ? `\n  and ${problems.length - MAX_SHOWN} more` : '';
  const shown = problems.slice(0, MAX_SHOWN).join('\n  ');
  return `${file}: ${quantity(problems.length, 'row')} ${what} (rows are counted from 0):\n  ${shown}${more}`;
}
