/** The command line in a process of its own, as it is called by hand. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { packageRoot } from '../../workflows/cluster.ts';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Nobody listens there. */
export const NO_TEMPORAL = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

export function start(args: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, [join(packageRoot, 'scripts', 'cli.ts'), ...args], {
    cwd: packageRoot,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export async function run(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ended> {
  const child = start(args, environment);
  const ended = { out: '', err: '' };
  child.stdout?.on('data', (data: Buffer) => (ended.out += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (ended.err += data.toString()));
  await once(child, 'close');
  return { code: child.exitCode, ...ended };
}

/** Every file of a folder by its path, with its content or what it links to. */
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
