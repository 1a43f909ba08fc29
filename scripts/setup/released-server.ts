import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildWithGo } from './build-with-go.ts';
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { makeCacheFolder } from './cache-folder.ts';
import { untilInterrupted } from './install-step.ts';
import { withLock } from './lock.mjs';

/** The release that temporal/released-server/go.mod builds. */
export const RELEASED_SERVER_VERSION = '1.31.2';

const WORK_PREFIX = 'temporal-server-building-';

/**
 * Path of a Temporal server for the test of what the development server of the pinned CLI is too old for: the cached
 * one, else one that is built from source where `TEST_RELEASED_SERVER=1` asks for it. Undefined without both.
 */
export async function findReleasedServer(): Promise<string | undefined> {
  const program = join(
    cacheFolder(process.env, process.platform),
    `temporal-server-${RELEASED_SERVER_VERSION}`,
    'temporal-server',
  );
  if (existsSync(program)) return program;
  if (process.env.TEST_RELEASED_SERVER !== '1') return undefined;
  const cache = makeCacheFolder();
  const install = (signal: AbortSignal) => buildInto(program, cache, signal);
  await untilInterrupted((signal) =>
    withLock(join(cache, 'temporal-server.lock'), () => install(signal), signal),
  );
  return program;
}

async function buildInto(program: string, cache: string, signal: AbortSignal): Promise<void> {
  if (existsSync(program)) return;
  // What a build that was killed has left: under the lock it is nobody's.
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX)))
    rmSync(join(cache, name), { recursive: true, force: true });
  const work = mkdtempSync(join(cache, WORK_PREFIX));
  try {
    const built = await buildWithGo(
      {
        name: `the Temporal server ${RELEASED_SERVER_VERSION}`,
        module: join(import.meta.dirname, '..', '..', 'temporal', 'released-server'),
        command: 'go.temporal.io/server/cmd/server',
        gigabytes: 6,
        withoutGo:
          'There is no Go to build the Temporal server with. Install Go 1.26 or newer: https://go.dev/doc/install',
      },
      work,
      signal,
    );
    chmodSync(built, 0o755);
    mkdirSync(dirname(program), { recursive: true });
    renameSync(built, program);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
