import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The name of the run that a demo goes on with: of `name`, `name-2`, `name-3` and so on the first one without a result,
 * or with `startNew` the first one that has no folder yet.
 */
export function chooseRun(
  storeRoot: string,
  name: string,
  { startNew }: { startNew: boolean },
): { runName: string; resumed: boolean } {
  for (let number = 1; ; number += 1) {
    const runName = number === 1 ? name : `${name}-${number}`;
    const folder = join(storeRoot, runName);
    const resumed = existsSync(folder);
    if (!resumed || (!startNew && !existsSync(join(folder, 'result.json')))) return { runName, resumed };
  }
}
