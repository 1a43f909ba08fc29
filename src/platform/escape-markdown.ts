import { oneLine } from './shown-text.ts';

/** Escapes untrusted text, so that it can't contain markup, become a link or end a table cell. */
export function escapeMarkdown(text: string): string {
  return (
    oneLine(text)
      .replaceAll(/\s+/g, ' ')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll(/[\\`*_[\]|#~!]/g, (mark) => `\\${mark}`)
      // GitHub and the hub make links of bare addresses, but not across a comment.
      .replaceAll(/:(?=\/\/)|(?<=\bwww)\.|@/gi, (mark) => `${mark}<!-- -->`)
  );
}
