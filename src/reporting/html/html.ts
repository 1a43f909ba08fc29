/** A piece of safe HTML, which can be inserted unchanged into a page. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Content = Html | string | number | undefined | false | readonly Content[];

/**
 * Makes HTML from a template. Inserted text is escaped, so that model output can't become markup; `Html` is inserted
 * unchanged. Lists are joined; `undefined` and `false` insert nothing.
 */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(strings.map((part, i) => (i === 0 ? '' : render(values[i - 1])) + part).join(''));
}

function render(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Html) return content.text;
  if (typeof content === 'string' || typeof content === 'number') return escape(String(content));
  return content.map(render).join('');
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return visible(text).replace(/[&<>"']/g, (char) => entities[char] ?? '');
}

/**
 * Replaces lone surrogates by U+FFFD, control characters by their symbols, and those that change the direction of text by their
 * numbers: a reader sees that they are there.
 */
export function visible(text: string): string {
  return (
    text
      .toWellFormed()
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (char) =>
        String.fromCharCode(0x2400 + char.charCodeAt(0)),
      )
      .replaceAll(
        /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu,
        (char) => `[U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
      )
  );
}
