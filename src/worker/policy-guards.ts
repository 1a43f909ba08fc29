/** Keeps the files and connections of a worker to its policy. */
import type { ConnectionGuard } from '../models/inference/connection-guard.ts';
import { readServedModels } from '../models/serving/served-models.ts';
import { type InputFiles, inputRoots } from '../platform/input-files.ts';
import { connectionGuard, type ServerPlace } from '../policy/connection-guard.ts';
import { inputGuard } from '../policy/input-guard.ts';
import type { Policy } from '../policy/policy-schema.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';

/** How long what other machines have announced is taken as it was read. */
const FRESH_MILLISECONDS = 1000;

/** Says where a worker looks for input files, and which it may read. */
export function guardedFiles(
  policy: Policy,
  { objects }: ArtifactStore,
  environment: Readonly<Record<string, string | undefined>>,
): InputFiles {
  const roots = inputRoots(environment);
  return { roots, guard: inputGuard(policy, [...roots, objects.localRoot]) };
}

/**
 * Creates the guard of a worker's connections, which also lets the model servers of runs be reached: those of this machine, and those
 * that other machines have announced in the store.
 */
export function guardedConnections(
  policy: Policy,
  { objects }: ArtifactStore,
  ownPlaces: () => readonly ServerPlace[],
): ConnectionGuard | undefined {
  let announced: Promise<ServerPlace[]> | undefined;
  let readAt = -Infinity;
  return connectionGuard(policy, async () => {
    if (performance.now() - readAt > FRESH_MILLISECONDS) {
      readAt = performance.now();
      announced = readServedModels(objects).then((machines) => machines.flatMap(({ models }) => models));
    }
    return [...ownPlaces(), ...((await announced) ?? [])];
  });
}
