/** The command line in a process of its own, as a user runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from '../../workflows/cluster.ts';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts the package's program with these arguments. A variable that is undefined is taken out of the environment. */
export function startProgram(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
  const env = { ...process.env, NO_COLOR: '1', ...environment };
  return spawn(process.execPath, [join(packageRoot, 'scripts', 'self-taught-evaluator.mjs'), ...args], {
    cwd: packageRoot,
    env: Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)),
  });
}

/** Runs it to its end. */
export async function runProgram(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended> {
  const child = startProgram(args, environment);
  let [out, err] = ['', ''];
  child.stdout?.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (err += data.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}
