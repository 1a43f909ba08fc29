import { readFile, writeFile } from 'node:fs/promises';

/** Changes one bit in the middle of a file, as a broken disk may; a second call undoes it. */
export async function flipByte(file: string): Promise<void> {
  const content = await readFile(file);
  const middle = content.length >> 1;
  content[middle] = (content[middle] ?? 0) ^ 1;
  await writeFile(file, content);
}
