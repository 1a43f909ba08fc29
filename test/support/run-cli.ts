/** Runs the command line in a separate process, from the source or by the package's program. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { moduleFile, packageRoot } from '../../src/platform/package-root.ts';

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** An environment whose Temporal address has no listener. */
export const NO_TEMPORAL = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

/** Starts the command line; a variable that is undefined is removed from the environment. */
export function startCli(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  return start(moduleFile('cli/main'), args, environment);
}

/** Runs the command line until it ends. */
export function runCli(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CommandResult> {
  return resultOf(startCli(args, environment));
}

/** Starts the package's program, as npx does. */
export function startBin(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  return start(join(packageRoot, 'bin', 'self-taught-evaluator.mjs'), args, environment);
}

/** Runs the package's program until it ends. */
export function runBin(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CommandResult> {
  return resultOf(startBin(args, environment));
}

function start(script: string, args: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess {
  const env = Object.entries({ ...process.env, NO_COLOR: '1', ...environment });
  return spawn(process.execPath, [script, ...args], {
    cwd: packageRoot,
    env: Object.fromEntries(env.filter(([, value]) => value !== undefined)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Collects the output of a command until it ends. */
export async function resultOf(child: ChildProcess): Promise<CommandResult> {
  const result = { out: '', err: '' };
  // A character may arrive in two parts.
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (result.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (result.err += text));
  await once(child, 'close');
  return { code: child.exitCode, ...result };
}

/** The content or link target of every file in a folder, by path. */
export async function contentOf(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const read = async (path: string, isLink: boolean) =>
    isLink ? `-> ${await readlink(path)}` : (await readFile(path)).toString('latin1');
  return new Map(
    await Promise.all(
      files.map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return [relative(folder, path), await read(path, entry.isSymbolicLink())] as const;
      }),
    ),
  );
}
