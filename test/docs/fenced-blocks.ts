import { readFileSync } from 'node:fs';

/** A fenced block of a Markdown file. */
export interface FencedBlock {
  /** The text of the heading that it stands under; empty before the first one. */
  readonly heading: string;
  /** The first word after the fence, such as `sh`; empty without one. */
  readonly language: string;
  readonly text: string;
  /** Of its first line in the file, from 1, for messages. */
  readonly line: number;
}

/**
 * The fenced blocks of a Markdown file in their order.
 * @throws Error where the last one has no end
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
        // What is indented with its fence isn't indented in the block.
        open.lines.push(line.replace(new RegExp(`^ {0,${open.indent}}`), ''));
      }
    });
  if (open !== undefined) throw new Error(`${file}: the fenced block from line ${open.line} on has no end`);
  return blocks;
}
