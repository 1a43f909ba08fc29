import { readFileSync } from 'node:fs';

/** A fenced block of a Markdown file. */
export interface FencedBlock {
  /** The heading above the block; empty before the first heading. */
  readonly heading: string;
  /** The first word after the opening fence, such as `sh`; empty if there is none. */
  readonly language: string;
  readonly text: string;
  /** The number of the block's first line in the file, from 1, for messages. */
  readonly line: number;
}

/**
 * Returns the fenced blocks of a Markdown file in their order.
 * @throws Error if the last block has no end
 */
export function fencedBlocks(file: string): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  let heading = '';
  let open: { fence: string; indent: number; language: string; line: number; lines: string[] } | undefined;
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const [, indent = '', fence = '', info = ''] = /^( *)(`{3,}|~{3,})\s*(\S*)/.exec(line) ?? [];
      if (open === undefined) {
        if (fence !== '') open = { fence, indent: indent.length, language: info, line: index + 2, lines: [] };
        else heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1] ?? heading;
      } else if (fence.startsWith(open.fence) && info === '') {
        const { language, line: first, lines } = open;
        blocks.push({ heading, language, text: lines.join('\n'), line: first });
        open = undefined;
      } else {
        // Removes the indentation of the opening fence.
        open.lines.push(line.replace(new RegExp(`^ {0,${open.indent}}`), ''));
      }
    });
  if (open !== undefined) throw new Error(`${file}: the fenced block from line ${open.line} on has no end`);
  return blocks;
}
