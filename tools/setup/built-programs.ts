import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildWithGo } from '../../src/cli/setup/build-with-go.ts';
import { cacheFolder } from '../../src/platform/cache-folder.ts';
import { ensureCacheFolder } from '../../src/cli/setup/cache-folder.ts';
import { withInterruptSignal } from '../../src/cli/setup/run-command.ts';
import { withLock } from '../../src/platform/lock-file.mjs';

/** Programs that only tests need, built from one Go module. */
export interface BuiltPrograms<Name extends string> {
  /** Their folder in the cache, with the version, such as `versitygw-1.8.0`. */
  readonly folder: string;
  /** The folder of the go.mod. */
  readonly module: string;
  /** The import path of each program. */
  readonly commands: Readonly<Record<Name, string>>;
  /** Disk space for the Go caches, in gigabytes (10^9 bytes). */
  readonly gigabytes: number;
}

/** Paths of the programs, which are built first if `mayBuild`. Undefined if they are not in the cache and may not be built. */
export async function findBuiltPrograms<Name extends string>(
  programs: BuiltPrograms<Name>,
  mayBuild: boolean,
): Promise<Record<Name, string> | undefined> {
  const names = Object.keys(programs.commands) as Name[];
  const folder = join(cacheFolder(process.env, process.platform), programs.folder);
  const paths = Object.fromEntries(names.map((name) => [name, join(folder, name)])) as Record<Name, string>;
  const isInstalled = () => names.every((name) => existsSync(paths[name]));
  if (isInstalled()) return paths;
  if (!mayBuild) return undefined;
  const cache = ensureCacheFolder();
  await withInterruptSignal((signal) =>
    withLock(
      join(cache, `${programs.folder}.lock`),
      async () => {
        if (!isInstalled()) await buildInto(paths, programs, cache, signal);
      },
      signal,
    ),
  );
  return paths;
}

async function buildInto<Name extends string>(
  paths: Readonly<Record<Name, string>>,
  { folder, module, commands, gigabytes }: BuiltPrograms<Name>,
  cache: string,
  signal: AbortSignal,
): Promise<void> {
  const workPrefix = `${folder}-building-`;
  // Deletes what a killed build has left; the lock ensures that no other build is using it.
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(workPrefix)))
    rmSync(join(cache, name), { recursive: true, force: true });
  const work = mkdtempSync(join(cache, workPrefix));
  try {
    for (const name of Object.keys(commands) as Name[]) {
      const built = await buildWithGo(
        {
          name: `${name} (${folder})`,
          module,
          command: commands[name],
          gigabytes,
          withoutGo: `Building ${name} needs Go. Install Go 1.26 or newer: https://go.dev/doc/install`,
        },
        work,
        signal,
      );
      chmodSync(built, 0o755);
      mkdirSync(dirname(paths[name]), { recursive: true });
      renameSync(built, paths[name]);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
