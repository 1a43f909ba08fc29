import { stringify } from 'yaml';

/** A card as the hub reads it: YAML between two lines of dashes, then Markdown. Undefined fields are left out. */
export function card(frontMatter: Readonly<Record<string, unknown>>, body: readonly string[]): string {
  return `---\n${stringify(frontMatter, { lineWidth: 0 })}---\n\n${body.join('\n\n')}\n`;
}

/** A table; undefined where it has no rows. */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): string | undefined {
  if (rows.length === 0) return undefined;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text from outside as text: nothing in it is markup, or ends a table's cell. */
export function escaped(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/[\\`*_[\]|#~!]/g, (mark) => `\\${mark}`);
}

/** A block of code, however many backticks stand in it. */
export function fenced(language: string, code: string): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code}\n${fence}`;
}

/** A text as a Python literal: over several lines, as it stands, where it can be. */
export function pythonText(text: string): string {
  const asItStands = !/\\|"""|"$|\r/.test(text);
  return asItStands ? `"""${text}"""` : JSON.stringify(text);
}
