import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { findOnPath, programFromEnvironment } from '../../platform/programs.ts';
import { buildWithGo } from './build-with-go.ts';
import { ensureCacheFolder } from './cache-folder.ts';
import { runCommand, logSetup, withProgressLog, tryRunCommand, withInterruptSignal } from './run-command.ts';
import { withLock } from '../../platform/lock-file.mjs';
import { packageRoot } from '../../platform/package-root.ts';

/** The release that is installed if there is none; temporal/server/go.mod builds the same one. */
export const TEMPORAL_CLI_VERSION = '1.5.1';

/** The oldest supported server, the one in {@link TEMPORAL_CLI_VERSION}: the workflows were not run on older ones. */
export const OLDEST_SERVER = [1, 29] as const;

/** SHA-256 of the official archives of {@link TEMPORAL_CLI_VERSION}. */
const ARCHIVES: Record<string, string> = {
  linux_amd64: 'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
  linux_arm64: 'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
  darwin_amd64: 'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
  darwin_arm64: 'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
};

const SERVER_MODULE = join(packageRoot, 'temporal', 'server');

/** The Temporal CLI that is installed already. */
export interface TemporalCliLookup {
  readonly path: string | undefined;
  /** Set if the one on the PATH is too old: its path, and why it is ignored. */
  readonly tooOld?: string;
}

/** Finds what {@link ensureTemporalCli} would use, without installing anything. Throws SetupError if the variable names no program. */
export async function findTemporalCli(): Promise<TemporalCliLookup> {
  const configured = programFromEnvironment('SELF_TAUGHT_EVALUATOR_TEMPORAL');
  if (configured !== undefined) return { path: configured };
  const onPath = findOnPath('temporal');
  let tooOld: string | undefined;
  if (onPath !== undefined) {
    const version = (await tryRunCommand(onPath, ['--version'], { timeout: 20_000 })) ?? 'of unknown version';
    if (isNewEnough(version)) return { path: onPath };
    tooOld = `${onPath}: server ${OLDEST_SERVER.join('.')} or newer is needed, but this is ${version.trim()}`;
  }
  const cached = join(cachedCliFolder(cacheFolder(process.env, process.platform)), 'temporal');
  return {
    path: existsSync(cached) ? cached : undefined,
    ...(tooOld === undefined ? {} : { tooOld }),
  };
}

function cachedCliFolder(cache: string): string {
  return join(cache, `temporal-${TEMPORAL_CLI_VERSION}`);
}

/**
 * Path of a Temporal CLI with a development server: the one named by `SELF_TAUGHT_EVALUATOR_TEMPORAL`, the one on the
 * PATH, the cached one, the official download, or a build from source, in this order. Throws SetupError that says what to
 * install.
 */
export async function ensureTemporalCli(): Promise<string> {
  const existing = await findTemporalCli();
  if (existing.tooOld !== undefined) logSetup(`Ignoring ${existing.tooOld}`);
  if (existing.path !== undefined) return existing.path;
  const cache = ensureCacheFolder();
  const folder = cachedCliFolder(cache);
  const cli = join(folder, 'temporal');
  const install = async (signal: AbortSignal) => {
    if (existsSync(cli)) return;
    removeStaleWorkFolders(cache);
    mkdirSync(folder, { recursive: true });
    const work = mkdtempSync(join(cache, WORK_PREFIX));
    try {
      const program = (await download(work, signal)) ?? (await build(work, signal));
      chmodSync(program, 0o755);
      renameSync(program, cli);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await withInterruptSignal((signal) =>
    withLock(join(cache, 'temporal.lock'), () => install(signal), signal),
  );
  return cli;
}

/** Returns whether the output of `temporal --version` names a server that is new enough. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = (/\(Server (\d+)\.(\d+)\./.exec(version) ?? []).map(Number);
  if (major === undefined || minor === undefined) return false;
  return major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1]);
}

const WORK_PREFIX = 'temporal-installing-';

/** Deletes the folders, some gigabytes of Go caches, of set-ups that were killed. The lock ensures that no other set-up is using them. */
function removeStaleWorkFolders(cache: string): void {
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX))) {
    rmSync(join(cache, name), { recursive: true, force: true });
  }
}

/** Downloads the official archive and checks its hash; returns undefined if that fails. */
async function download(work: string, interrupted: AbortSignal): Promise<string | undefined> {
  const platform = `${process.platform}_${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const name = `temporal_cli_${TEMPORAL_CLI_VERSION}_${platform}.tar.gz`;
  const url = `https://github.com/temporalio/cli/releases/download/v${TEMPORAL_CLI_VERSION}/${name}`;
  try {
    const response = await fetchWithTimeout(url, 5_000, interrupted);
    const archive = await withProgressLog(`Downloading the Temporal CLI ${TEMPORAL_CLI_VERSION}`, async () =>
      Buffer.from(await response.arrayBuffer()),
    );
    if (createHash('sha256').update(archive).digest('hex') !== ARCHIVES[platform]) {
      throw new Error('its hash differs from the pinned one');
    }
    writeFileSync(join(work, name), archive);
    await runCommand('tar', ['-xzf', name, 'temporal'], { cwd: work });
    return join(work, 'temporal');
  } catch (error) {
    interrupted.throwIfAborted();
    logSetup(
      `Cannot download the Temporal CLI (${rootCauseMessage(error)}); building it takes 3 to 5 minutes`,
    );
    return undefined;
  }
}

/** The response; its headers must arrive within so many milliseconds, its body within five minutes. */
async function fetchWithTimeout(
  url: string,
  milliseconds: number,
  interrupted: AbortSignal,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`no answer within ${milliseconds / 1000} s`)),
    milliseconds,
  );
  try {
    const signal = AbortSignal.any([late.signal, interrupted, AbortSignal.timeout(300_000)]);
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return response;
  } finally {
    clearTimeout(timer);
  }
}

/** The reason of a failed fetch, whose own message is only "fetch failed". */
function rootCauseMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root instanceof Error ? root.message : String(root);
}

/** Builds it from source; go.sum pins every hash. */
function build(work: string, signal: AbortSignal): Promise<string> {
  const program = {
    name: `the Temporal CLI ${TEMPORAL_CLI_VERSION}`,
    module: SERVER_MODULE,
    command: 'github.com/temporalio/cli/cmd/temporal',
    ldflags: `-X github.com/temporalio/cli/temporalcli.Version=${TEMPORAL_CLI_VERSION}`,
    gigabytes: 4,
    withoutGo:
      'There is no Temporal CLI, it cannot be downloaded, and there is no Go to build it with. Install one of:\n' +
      '  the Temporal CLI: brew install temporal, or https://docs.temporal.io/cli/setup-cli\n' +
      '  Go 1.26 or newer: https://go.dev/doc/install',
  };
  return buildWithGo(program, work, signal);
}
