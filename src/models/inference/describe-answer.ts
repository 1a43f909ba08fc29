import { formatBytes } from '../../platform/format-bytes.ts';

/**
 * Describes an answer that is not in OpenAI's shape, without its words: it may be of any server that the endpoint's address or a
 * proxy leads to, such as a page of an inner network, and whoever reads a run's failure need not be allowed to read that.
 * @param contentType as the server says it
 */
export function describeAnswer(text: string, contentType?: string): string {
  if (text.trim() === '') return 'it is empty';
  const said = /^[\w.+-]{1,40}\/[\w.+-]{1,40}/.exec(contentType ?? '')?.[0];
  const type = said === undefined ? '' : ` (${said})`;
  return `${kindOf(text)} of ${formatBytes(Buffer.byteLength(text))}${type}, which is not quoted`;
}

function kindOf(text: string): string {
  const beginning = text.slice(0, 1000).trimStart();
  if (/^[[{]/.test(beginning)) return 'JSON';
  return /^<(!doctype html|html|head|body)\b/i.test(beginning) ? 'an HTML page' : 'a text';
}
