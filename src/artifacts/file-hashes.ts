import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** The hash of a file's content, as hexadecimal digits. */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
