/** A real S3 server on this machine: versitygw with its buckets in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acceptsConnections, freePort } from '../../src/platform/ports.ts';
import { findBuiltPrograms } from '../../tools/setup/built-programs.ts';

const HOST = '127.0.0.1';
const REGION = 'us-east-1';
const ACCESS_KEY = 'test-key';
const SECRET_KEY = 'test-secret';

export interface S3Server {
  /** The variables with which clients find the server and identify themselves. */
  readonly environment: Readonly<Record<string, string>>;
  /** The folder in which each bucket is a folder and each object a file. */
  readonly folder: string;
  /** Undefined while it does not run. */
  readonly process: ChildProcess | undefined;
  createBucket(name: string): Promise<void>;
  /** Kills the server with SIGKILL; its buckets stay. */
  kill(): Promise<void>;
  /** Starts it again at the same address, unless it runs. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** The server's program; undefined if it is not in the cache. It is built in CI and with `TEST_S3=1`. */
export async function findVersitygw(): Promise<string | undefined> {
  const programs = await findBuiltPrograms(
    {
      folder: 'versitygw-1.8.0',
      module: join(import.meta.dirname, '..', 's3-server'),
      commands: { versitygw: 'github.com/versity/versitygw/cmd/versitygw' },
      gigabytes: 2,
    },
    process.env.CI === 'true' || process.env.TEST_S3 === '1',
  );
  return programs?.versitygw;
}

export const NO_S3_SERVER = 'needs an S3 server: TEST_S3=1 builds versitygw with Go';

/** @param flags further flags of versitygw, such as `--readonly` */
export async function startS3Server(program: string, flags: readonly string[] = []): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 's3-'));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const server: S3Server = {
    environment: {
      AWS_ENDPOINT_URL_S3: `http://${HOST}:${port}`,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    },
    folder,
    get process() {
      return child;
    },
    async createBucket(name) {
      // A folder is a bucket.
      await mkdir(join(folder, name));
    },
    async kill() {
      if (child === undefined) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      child = undefined;
    },
    async start() {
      if (child?.exitCode === null && child.signalCode === null) return;
      const started = spawn(program, ['--port', `${HOST}:${port}`, '--quiet', ...flags, 'posix', folder], {
        env: { ...process.env, ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child = started;
      let log = '';
      started.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
      while (!(await acceptsConnections(HOST, port))) {
        if (started.exitCode !== null) throw new Error(`versitygw did not start:\n${log}`);
        await sleep(20);
      }
    },
    async close() {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}
