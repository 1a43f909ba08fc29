/** The warnings in a run's report about damaged artifacts. */
import { z } from 'zod';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { NOTE_FILE, QUARANTINE_SUFFIX } from '../store/quarantine.ts';

const noteSchema = z.object({ reason: z.string() });

/** A warning for each artifact of a run that was found damaged, as long as its files are still in quarantine. */
export async function quarantineWarnings(store: ArtifactStore, runName: string): Promise<string[]> {
  const folders = new Set<string>();
  for (const { key } of await store.objects.list(runName)) {
    const parts = key.split('/');
    const index = parts.findIndex((part) => part.includes(QUARANTINE_SUFFIX));
    if (index >= 0) folders.add(parts.slice(0, index + 1).join('/'));
  }
  return Promise.all(
    [...folders].map(async (uri) => {
      const artifact = uri.slice(0, uri.lastIndexOf(QUARANTINE_SUFFIX));
      return `${artifact} was damaged (${await readQuarantineReason(store, uri)}) and was made again. The damaged files are in ${uri} and may be deleted.`;
    }),
  );
}

async function readQuarantineReason(store: ArtifactStore, uri: string): Promise<string> {
  try {
    return noteSchema.parse(JSON.parse((await store.readText(`${uri}/${NOTE_FILE}`)) ?? '')).reason;
  } catch {
    return 'the reason was not recorded';
  }
}
