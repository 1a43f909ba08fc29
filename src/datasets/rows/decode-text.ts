import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import {
  CONVERT_TO_UTF8,
  decoderFor,
  ENCODING_BYTES,
  isInvalidText,
  UnknownEncoding,
} from '../../platform/text-encoding.ts';
import { MAX_ROW_CHARACTERS } from './json-text.ts';
import { UnreadableFile } from './unreadable-file.ts';

/**
 * Decodes the bytes of a text file: UTF-8, or UTF-16 with a byte order mark. The mark itself is left out.
 *
 * @param open opens the bytes of the file; called a second time to find an invalid byte
 * @throws UnreadableFile that names the encoding, or the line and the byte that are not UTF-8
 */
export async function* decodeText(file: string, open: () => AsyncIterable<Buffer>): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let start: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of open()) {
      if (decoder !== undefined) {
        yield decoder.decode(chunk, { stream: true });
        continue;
      }
      start = Buffer.concat([start, chunk]);
      if (start.length < ENCODING_BYTES) continue;
      decoder = decoderFor(start);
      yield decoder.decode(start, { stream: true });
    }
    if (decoder === undefined) yield decoderFor(start).decode(start);
    else yield decoder.decode();
  } catch (error) {
    if (error instanceof UnknownEncoding) throw new UnreadableFile(file, error.message);
    if (!isInvalidText(error)) throw error;
    if (decoder?.encoding.startsWith('utf-16') === true)
      throw new UnreadableFile(file, 'begins as UTF-16, but is not valid UTF-16: write it as UTF-8');
    throw await invalidUtf8(file, open());
  }
}

/** Finds the first byte that is not UTF-8. */
async function invalidUtf8(file: string, chunks: AsyncIterable<Buffer>): Promise<UnreadableFile> {
  let line = 1;
  let pending: Buffer = Buffer.alloc(0);
  const describe = (bytes: Buffer) => {
    const at = firstInvalidByte(bytes);
    const value = (bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, '0');
    return new UnreadableFile(
      file,
      `is not UTF-8: line ${line}, byte ${at + 1} of the line is 0x${value}. ${CONVERT_TO_UTF8}`,
    );
  };
  for await (const chunk of chunks) {
    pending = Buffer.concat([pending, chunk]);
    for (let end = lineEnd(pending); end >= 0; end = lineEnd(pending)) {
      const bytes = pending.subarray(0, end);
      if (!isUtf8(bytes)) return describe(bytes);
      pending = pending.subarray(end + (pending[end] === CR && pending[end + 1] === LF ? 2 : 1));
      line += 1;
    }
    // Searching a longer line again with each chunk would take hours.
    if (pending.length > MAX_ROW_CHARACTERS)
      return new UnreadableFile(file, `is not UTF-8 in line ${line} or after it. ${CONVERT_TO_UTF8}`);
  }
  return describe(pending);
}

const LF = 0x0a;
const CR = 0x0d;

function lineEnd(bytes: Buffer): number {
  const ends = [bytes.indexOf(LF), bytes.indexOf(CR)].filter((end) => end >= 0);
  // The newline after a carriage return at the end may come with the next bytes.
  const end = ends.length === 0 ? -1 : Math.min(...ends);
  return end === bytes.length - 1 && bytes[end] === CR ? -1 : end;
}

function firstInvalidByte(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let characterStart = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    try {
      if (decoder.decode(bytes.subarray(at, at + 1), { stream: true }) !== '') characterStart = at + 1;
    } catch {
      return characterStart;
    }
  }
  return characterStart;
}
