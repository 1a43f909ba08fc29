import { kindOf, launcherOf } from './launchers/registry.ts';
import type { Launcher } from './launchers/launcher.ts';
import type { TrainerStart } from './trainer-starts.ts';

/**
 * Returns the launcher that knows a start's job: the current one, unless one of another kind made the start.
 */
export function launcherOfStart({ launcher }: Pick<TrainerStart, 'launcher'>, current: Launcher): Launcher {
  return launcher === kindOf(current) ? current : launcherOf({ kind: launcher });
}
