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
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { findOnPath, namedProgram } from './programs.ts';
import { buildWithGo } from './build-with-go.ts';
import { makeCacheFolder } from './cache-folder.ts';
import { run, say, step, tryRun, untilInterrupted } from './install-step.ts';
import { withLock } from './lock.mjs';

/** The release that is installed where there is none; temporal/server/go.mod builds the same one. */
export const TEMPORAL_CLI_VERSION = '1.5.1';

/** The oldest server that the workflows were run on: the one in {@link TEMPORAL_CLI_VERSION}. */
export const OLDEST_SERVER = [1, 29] as const;

/** SHA-256 of the official archives of {@link TEMPORAL_CLI_VERSION}. */
const ARCHIVES: Record<string, string> = {
  linux_amd64: 'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
  linux_arm64: 'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
  darwin_amd64: 'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
  darwin_arm64: 'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
};

const SERVER_MODULE = join(import.meta.dirname, '..', '..', 'temporal', 'server');

/** What of the Temporal CLI is here, installing nothing. */
export interface FoundCli {
  readonly path: string | undefined;
  /** Set where one on the PATH is too old: which, and why it is left aside. */
  readonly tooOld?: string;
}

/** Looks where {@link ensureTemporalCli} looks. Throws SetupError where the variable names no program. */
export async function findTemporalCli(): Promise<FoundCli> {
  const named = namedProgram('SELF_TAUGHT_EVALUATOR_TEMPORAL');
  if (named !== undefined) return { path: named };
  const onPath = findOnPath('temporal');
  let tooOld: string | undefined;
  if (onPath !== undefined) {
    const version =
      (await tryRun(onPath, ['--version'], { timeout: 20_000 })) ?? 'it does not tell its version';
    if (isNewEnough(version)) return { path: onPath };
    tooOld = `${onPath}: server ${OLDEST_SERVER.join('.')} is needed, and this is ${version.trim()}`;
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
 * PATH, the cached one, the official download, or a build from its source, in this order. Throws SetupError that says
 * what to install.
 */
export async function ensureTemporalCli(): Promise<string> {
  const found = await findTemporalCli();
  if (found.tooOld !== undefined) say(`Leaving aside ${found.tooOld}`);
  if (found.path !== undefined) return found.path;
  const cache = makeCacheFolder();
  const folder = cachedCliFolder(cache);
  const cli = join(folder, 'temporal');
  const install = async (signal: AbortSignal) => {
    if (existsSync(cli)) return;
    removeRemains(cache);
    mkdirSync(folder, { recursive: true });
    const work = mkdtempSync(join(cache, WORK_PREFIX));
    try {
      const made = (await download(work, signal)) ?? (await build(work, signal));
      chmodSync(made, 0o755);
      renameSync(made, cli);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await untilInterrupted((signal) => withLock(join(cache, 'temporal.lock'), () => install(signal), signal));
  return cli;
}

/** Whether the output of `temporal --version` names a server that is new enough. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = (/\(Server (\d+)\.(\d+)\./.exec(version) ?? []).map(Number);
  if (major === undefined || minor === undefined) return false;
  return major > OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor >= OLDEST_SERVER[1]);
}

const WORK_PREFIX = 'temporal-installing-';

/** A set-up that was killed leaves its Go caches, some gigabytes; under the lock they are nobody's. */
function removeRemains(cache: string): void {
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX))) {
    rmSync(join(cache, name), { recursive: true, force: true });
  }
}

/** The official archive, checked against its pinned hash; nothing when it cannot be had. */
async function download(work: string, interrupted: AbortSignal): Promise<string | undefined> {
  const platform = `${process.platform}_${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const name = `temporal_cli_${TEMPORAL_CLI_VERSION}_${platform}.tar.gz`;
  const url = `https://github.com/temporalio/cli/releases/download/v${TEMPORAL_CLI_VERSION}/${name}`;
  try {
    const response = await fetchWithin(url, 5_000, interrupted);
    const archive = await step(`Downloading the Temporal CLI ${TEMPORAL_CLI_VERSION}`, async () =>
      Buffer.from(await response.arrayBuffer()),
    );
    if (createHash('sha256').update(archive).digest('hex') !== ARCHIVES[platform]) {
      throw new Error('its hash is not the pinned one');
    }
    writeFileSync(join(work, name), archive);
    await run('tar', ['-xzf', name, 'temporal'], { cwd: work });
    return join(work, 'temporal');
  } catch (error) {
    interrupted.throwIfAborted();
    say(`Cannot download the Temporal CLI (${rootMessage(error)}); building it takes 3 to 5 minutes`);
    return undefined;
  }
}

/** The response, whose headers must come within the time in milliseconds and its body within five minutes. */
async function fetchWithin(url: string, milliseconds: number, interrupted: AbortSignal): Promise<Response> {
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

/** fetch says only "fetch failed"; why is in the cause. */
function rootMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root instanceof Error ? root.message : String(root);
}

/** Built from source: go.sum pins every hash. */
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
