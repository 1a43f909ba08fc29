import { runUris } from '../../runs/run-layout.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';

/**
 * The name of the demo's run: the first of `name`, `name-2`, `name-3` and so on that has no result in the store, or with
 * `startNew` the first one that does not exist.
 */
export async function nextRun(
  store: ArtifactStore,
  name: string,
  { startNew }: { startNew: boolean },
): Promise<{ runName: string; resumed: boolean }> {
  for (let number = 1; ; number += 1) {
    const runName = number === 1 ? name : `${name}-${number}`;
    const resumed = await store.exists(runName);
    if (!resumed || (!startNew && !(await store.exists(runUris.result(runName)))))
      return { runName, resumed };
  }
}
