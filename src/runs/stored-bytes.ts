import type { ArtifactStore } from '../store/artifact-store.ts';

/** The total size of a run's objects in the store. */
export async function storedBytes(store: ArtifactStore, runName: string): Promise<number> {
  const found = [...(await store.objects.list(runName)), ...(await store.objects.listIncomplete(runName))];
  return found.reduce((sum, { bytes }) => sum + bytes, 0);
}
