import { appendFile } from 'node:fs/promises';
import type { ObjectStore } from './object-store.ts';

/** Appends to a text that a program may have open as a file. In a remote store nobody else may write it meanwhile. */
export async function appendText(objects: ObjectStore, key: string, text: string): Promise<void> {
  if (!objects.isRemote) return appendFile(objects.locate(key), text);
  const before = (await objects.get(key))?.content.toString('utf8') ?? '';
  await objects.put(key, before + text);
}
