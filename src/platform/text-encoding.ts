import { TextDecoder } from 'node:util';

/** How the first bytes of a file tell its encoding. UTF-32 begins like UTF-16, so it comes first. */
const BYTE_ORDER_MARKS = [
  { bytes: [0xff, 0xfe, 0, 0], decoder: undefined },
  { bytes: [0, 0, 0xfe, 0xff], decoder: undefined },
  { bytes: [0xef, 0xbb, 0xbf], decoder: 'utf-8' },
  { bytes: [0xff, 0xfe], decoder: 'utf-16le' },
  { bytes: [0xfe, 0xff], decoder: 'utf-16be' },
];

/** The number of bytes at the beginning of a file that tell its encoding. */
export const ENCODING_BYTES = 4;

/** A text is in an encoding that is not read. The message can follow the name of the file. */
export class UnknownEncoding extends Error {
  override readonly name = 'UnknownEncoding';
}

/**
 * Makes a decoder that fits the first bytes of a text: UTF-8, or UTF-16 with a byte order mark. It leaves out the mark, and
 * throws on bytes that are no text.
 * @throws UnknownEncoding
 */
export function decoderFor(start: Buffer): TextDecoder {
  const mark = BYTE_ORDER_MARKS.find(({ bytes }) => bytes.every((byte, index) => start[index] === byte));
  if (mark !== undefined && mark.decoder === undefined)
    throw new UnknownEncoding('is UTF-32, which is not read: write it as UTF-8');
  // Of a character of ASCII, UTF-16 makes a zero byte and the character.
  if (mark === undefined && start.length > 1 && (start[0] === 0) !== (start[1] === 0))
    throw new UnknownEncoding('looks like UTF-16 without a byte order mark: write it as UTF-8');
  return new TextDecoder(mark?.decoder ?? 'utf-8', { fatal: true });
}

/** Returns whether an error says that bytes are no text in the decoder's encoding. */
export function isInvalidText(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA';
}

/** What to do with a file that is not UTF-8. */
export const CONVERT_TO_UTF8 = 'If it is Latin-1 or Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8';

/**
 * Decodes a small text file that a user has written.
 * @throws UnknownEncoding
 */
export function decodeFile(bytes: Buffer): string {
  try {
    return decoderFor(bytes).decode(bytes);
  } catch (error) {
    if (!isInvalidText(error)) throw error;
    throw new UnknownEncoding(`is not UTF-8. ${CONVERT_TO_UTF8}`);
  }
}
