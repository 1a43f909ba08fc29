import { stringify } from 'yaml';
import { maskSecrets } from '../../platform/secrets.ts';
import { safeJson, safeLines } from '../../platform/shown-text.ts';

/** A card in the hub's format: YAML between two lines of dashes, then Markdown. Undefined fields are left out. */
export function markdownCard(
  frontMatter: Readonly<Record<string, unknown>>,
  body: readonly string[],
): string {
  const card = `---\n${stringify(frontMatter, { lineWidth: 0 })}---\n\n${body.join('\n\n')}\n`;
  return safeLines(maskSecrets(card));
}

/** A table; undefined if it has no rows. */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): string | undefined {
  if (rows.length === 0) return undefined;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A block of code with a fence that is longer than all backticks in the code. */
export function codeBlock(language: string, code: string): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code}\n${fence}`;
}

/** A text as a Python literal: unchanged in triple quotes if possible. */
export function pythonLiteral(text: string): string {
  const needsNoEscape = !/\\|"""|"$|\r/.test(text) && safeLines(text) === text;
  return needsNoEscape ? `"""${text}"""` : safeJson(text);
}
