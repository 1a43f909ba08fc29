import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  bundleWorkflowCode,
  type BundleOptions,
  type BundlerPlugin,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { z } from 'zod';
import { temporalSdkLogger, type WorkerLog } from '../observability/log.ts';
import { writeFileAtomically } from '../platform/atomic-write.ts';
import { moduleFile, packageRoot } from '../platform/package-root.ts';
import { SetupError } from '../platform/setup-error.ts';

/** The characters to which webpack gives a meaning in a path: `!` before a loader, `?` before options. */
const UNREADABLE = /[!?]/;

/** A bundle in the cache, with everything that it depends on. */
const cachedSchema = z.object({
  /** The program that made it. */
  madeBy: z.string(),
  /** The hash of each file that the bundler has read. */
  files: z.record(z.string(), z.string()),
  /** Files that it has looked for in vain: another one would be bundled if one of them existed. */
  missing: z.array(z.string()),
  sha256: z.string(),
  code: z.string(),
});
type Cached = z.output<typeof cachedSchema>;

const VERSIONS = ['@temporalio/worker', 'webpack', 'swc-loader', '@swc/core', 'source-map-loader'].map(
  (name) => (requireFrom('@temporalio/worker', `${name}/package.json`) as { version: string }).version,
);
/** Another version of Node or of the bundler makes another bundle. */
const MADE_BY = ['1', process.version, process.arch, ...VERSIONS].join(' ');
/** A bundle that nobody has written anew for this time is deleted: its checkout may be gone. */
const KEEP_MILLISECONDS = 30 * 24 * 3_600_000;
/** A file that has changed so shortly before may have had another content when it was bundled. */
const SETTLED_MILLISECONDS = 1000;

export interface BundleSettings {
  readonly log: WorkerLog;
  /** A bundle with plugins isn't cached: they may change it in any way. */
  readonly plugins: BundlerPlugin[];
  /** The folder for caches, in which each checkout has its bundle. */
  readonly cacheFolder: string;
  /** The worker's own, which becomes a part of the bundle. */
  readonly failureConverterPath?: string | undefined;
  readonly workflowsPath?: string;
}

/**
 * Bundles the code of the workflows, which takes a second, or reads the bundle of an earlier start. A bundle is used only if
 * every file that it was made from has the same content. Without a cache that can be written everything is bundled.
 * @throws SetupError if the bundler can't read the folder of this program
 */
export async function workflowBundle({
  log,
  plugins,
  cacheFolder,
  failureConverterPath,
  workflowsPath = moduleFile('workflows/index'),
}: BundleSettings): Promise<WorkflowBundleWithSourceMap> {
  requireReadableFolder(packageRoot);
  const options = {
    workflowsPath,
    logger: temporalSdkLogger(log),
    plugins,
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
  };
  if (plugins.length > 0) return bundleWorkflowCode(options);
  const file = join(
    cacheFolder,
    'workflow-bundles',
    `${sha256([workflowsPath, failureConverterPath ?? ''].join('\n')).slice(0, 16)}.json`,
  );
  const cached = await readCached(file);
  if (cached !== undefined) return { code: cached.code, sourceMap: '' };
  const began = Date.now();
  const { bundle, read, missing } = await bundleWithDependencies(options);
  try {
    await cache(file, bundle.code, { read, missing, began });
  } catch (error) {
    log.debug(`the bundle of the workflows can't be cached: ${String(error)}`);
  }
  return bundle;
}

async function bundleWithDependencies(options: BundleOptions) {
  let read: string[] = [];
  let missing: string[] = [];
  const bundle = await bundleWorkflowCode({
    ...options,
    webpackConfigHook: (config) => ({
      ...config,
      plugins: [
        ...(config.plugins ?? []),
        (compiler) =>
          compiler.hooks.done.tap('dependencies', ({ compilation }) => {
            read = [...compilation.fileDependencies];
            missing = [...compilation.missingDependencies];
          }),
      ],
    }),
  });
  return { bundle, read, missing };
}

/** The bundle in the cache, if it is intact and everything is as it was when it was made. */
async function readCached(file: string): Promise<Cached | undefined> {
  try {
    const cached = cachedSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const isCurrent =
      cached.madeBy === MADE_BY &&
      cached.sha256 === sha256(cached.code) &&
      !cached.missing.some((path) => existsSync(path)) &&
      (await hashesOf(Object.keys(cached.files))).every(([path, hash]) => cached.files[path] === hash);
    return isCurrent ? cached : undefined;
  } catch {
    // There is none, or it is damaged, or a file that it was made from is gone.
    return undefined;
  }
}

async function cache(
  file: string,
  code: string,
  { read, missing, began }: { read: readonly string[]; missing: readonly string[]; began: number },
): Promise<void> {
  // Folders are named too. The entry point exists only in the bundler's memory, and follows from the path of the workflows.
  const stats = await Promise.all(
    read.map(async (path) => ({ path, found: await stat(path).catch(() => undefined) })),
  );
  const files = stats.filter(({ found }) => found?.isFile());
  if (files.some(({ found }) => (found?.mtimeMs ?? 0) > began - SETTLED_MILLISECONDS)) return;
  const entry: Cached = {
    madeBy: MADE_BY,
    files: Object.fromEntries(await hashesOf(files.map(({ path }) => path))),
    missing: missing.filter((path) => !existsSync(path)),
    sha256: sha256(code),
    code,
  };
  await writeFileAtomically(file, JSON.stringify(entry));
  const folder = dirname(file);
  for (const name of await readdir(folder)) {
    const other = join(folder, name);
    if ((await stat(other)).mtimeMs < Date.now() - KEEP_MILLISECONDS) await rm(other, { force: true });
  }
}

/** The hash of each file's content. */
function hashesOf(paths: readonly string[]): Promise<(readonly [path: string, hash: string])[]> {
  return Promise.all(paths.map(async (path) => [path, sha256(await readFile(path))] as const));
}

/** Loads a module that only another package depends on. */
function requireFrom(owner: string, module: string): unknown {
  return createRequire(createRequire(import.meta.url).resolve(owner))(module);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** @throws SetupError */
export function requireReadableFolder(folder: string): void {
  const found = UNREADABLE.exec(folder)?.[0];
  if (found !== undefined)
    throw new SetupError(
      `The bundler of Temporal's workflows can't read a folder with "${found}" in its path: move or rename ${folder}.`,
    );
}
