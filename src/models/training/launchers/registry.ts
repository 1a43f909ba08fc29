/** All launchers. A new one has a file beside this one and a line in `LAUNCHERS` (docs/architecture.md). */
import { z } from 'zod';
import type { Launcher } from './launcher.ts';
import { kubernetesLauncher } from './kubernetes.ts';
import { processLauncher } from './process.ts';
import { slurmLauncher } from './slurm.ts';

export const LAUNCHERS = [processLauncher, slurmLauncher, kubernetesLauncher] as const;

export const launcherSchema = launcherSchemaOf(LAUNCHERS);

/** The launcher that some settings, or a start, name. */
export function launcherOf(settings: { readonly kind: string }): Launcher {
  return findLauncher(LAUNCHERS, settings.kind);
}

/** Finds the launcher of a kind. */
export function findLauncher(launchers: readonly Launcher[], kind: string): Launcher {
  const found = launchers.find((launcher) => kindOf(launcher) === kind);
  if (found === undefined) throw new RangeError(`there is no launcher of the kind ${kind}`);
  return found;
}

export function kindOf(launcher: Launcher): string {
  return launcher.configuration.shape.kind.value;
}

/** The schema of the settings of any of the launchers. */
export function launcherSchemaOf<const Launchers extends readonly [Launcher, ...Launcher[]]>(
  launchers: Launchers,
) {
  const schemas = launchers.map(({ configuration }) => configuration);
  return z.discriminatedUnion('kind', schemas as unknown as LauncherSchemas<Launchers>);
}

type LauncherSchemas<Launchers extends readonly [Launcher, ...Launcher[]]> = {
  [Index in keyof Launchers]: Launchers[Index]['configuration'];
};
