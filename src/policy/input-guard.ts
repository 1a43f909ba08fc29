/** Keeps the files and repositories that a configuration names to those of the policy. */
import { InvalidInput } from '../platform/invalid-input.ts';
import type { InputGuard } from '../platform/input-guard.ts';
import { notAllowed } from './not-allowed.ts';
import { namesRepository } from './policy-problems.ts';
import type { Policy } from './policy-schema.ts';

/**
 * Creates the guard of a policy; undefined if it allows everything.
 * @param ownFolders the worker's own data roots
 */
export function inputGuard({ rules }: Policy, ownFolders: readonly string[]): InputGuard | undefined {
  if (rules === undefined) return undefined;
  return {
    // A worker that runs in the root folder has no data there.
    folders: [...new Set([...ownFolders.filter((folder) => folder !== '/'), ...rules.dataRoots])],
    requireHubRepository(kind, repository) {
      if (namesRepository(rules.hub[kind], repository)) return;
      throw new InvalidInput(notAllowed(`downloads of ${repository} from the hub`, `add it to hub.${kind}`));
    },
  };
}
