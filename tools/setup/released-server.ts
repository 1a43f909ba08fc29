import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { buildWithGo } from '../../src/cli/setup/build-with-go.ts';
import { cacheFolder } from '../../src/platform/cache-folder.ts';
import { ensureCacheFolder } from '../../src/cli/setup/cache-folder.ts';
import { withInterruptSignal } from '../../src/cli/setup/run-command.ts';
import { withLock } from '../../src/platform/lock-file.mjs';

/** The release that temporal/released-server/go.mod builds. */
export const RELEASED_SERVER_VERSION = '1.31.2';

const WORK_PREFIX = 'temporal-server-building-';

/** Paths of the programs of a release. */
export interface ReleasedServer {
  readonly server: string;
  /** Creates the server's tables in a PostgreSQL database. */
  readonly sqlTool: string;
}

/**
 * A Temporal server for tests that need a newer one than the development server of the pinned CLI, or several on one
 * database: the cached one, or one built from source if `TEST_RELEASED_SERVER=1` is set. Undefined otherwise.
 */
export async function findReleasedServer(): Promise<ReleasedServer | undefined> {
  const folder = join(
    cacheFolder(process.env, process.platform),
    `temporal-server-${RELEASED_SERVER_VERSION}`,
  );
  const programs = {
    server: join(folder, 'temporal-server'),
    sqlTool: join(folder, 'temporal-sql-tool'),
  };
  if (isInstalled(programs)) return programs;
  if (process.env.TEST_RELEASED_SERVER !== '1') return undefined;
  const cache = ensureCacheFolder();
  const install = (signal: AbortSignal) => buildInto(programs, cache, signal);
  await withInterruptSignal((signal) =>
    withLock(join(cache, 'temporal-server.lock'), () => install(signal), signal),
  );
  return programs;
}

function isInstalled(programs: ReleasedServer): boolean {
  return Object.values(programs).every((program: string) => existsSync(program));
}

async function buildInto(programs: ReleasedServer, cache: string, signal: AbortSignal): Promise<void> {
  if (isInstalled(programs)) return;
  // Deletes what a killed build has left; the lock ensures that no other build is using it.
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX)))
    rmSync(join(cache, name), { recursive: true, force: true });
  const work = mkdtempSync(join(cache, WORK_PREFIX));
  try {
    for (const [program, command] of [
      [programs.server, 'go.temporal.io/server/cmd/server'],
      [programs.sqlTool, 'go.temporal.io/server/cmd/tools/sql'],
    ] as const) {
      const built = await buildWithGo(
        {
          name: `${basename(program)} ${RELEASED_SERVER_VERSION}`,
          module: join(import.meta.dirname, '..', '..', 'temporal', 'released-server'),
          command,
          gigabytes: 6,
          withoutGo:
            'Building the Temporal server needs Go. Install Go 1.26 or newer: https://go.dev/doc/install',
        },
        work,
        signal,
      );
      chmodSync(built, 0o755);
      mkdirSync(dirname(program), { recursive: true });
      renameSync(built, program);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
