/** The servers of this machine, one file each, so that every worker process here, and the next one, knows them. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { withLock } from '../processes/lock.ts';

const entrySchema = z.object({
  key: z.string(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  host: z.string(),
  healthPath: z.string(),
  basePath: z.string(),
  startTimeoutSeconds: z.number(),
  /** Stays the same when the server is started again, so that the base URL given out stays valid. */
  port: z.number(),
  process: z.object({ pid: z.number(), startTime: z.string(), bootId: z.string(), host: z.string() }),
  /** Who needs the server; without any it is stopped. */
  owners: z.array(z.string()),
  /** A model that the server served, to see whether it still answers. */
  model: z.string(),
  startedAt: z.string(),
  /** When it last became ready; absent while it starts. */
  readyAt: z.string().optional(),
  /** Why nobody starts it again by itself any more. */
  gaveUp: z.string().optional(),
});

export type ServerEntry = z.output<typeof entrySchema>;

export interface ServerRegistry {
  /** Absent too where the file is damaged: then the server counts as unknown. */
  read(key: string): ServerEntry | undefined;
  list(): ServerEntry[];
  write(entry: ServerEntry): void;
  remove(key: string): void;
  /** Runs while nobody else on this machine changes this server or its entry. */
  locked<T>(key: string, run: () => Promise<T>): Promise<T>;
  /** Where the server's output goes. */
  logFile(key: string): string;
}

/** @param folder of this machine alone. */
export function openRegistry(folder: string): ServerRegistry {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const suffix = '.server.json';
  const fileOf = (key: string): string => join(folder, `${key}${suffix}`);

  function read(key: string): ServerEntry | undefined {
    try {
      return entrySchema.parse(JSON.parse(readFileSync(fileOf(key), 'utf8')));
    } catch {
      return undefined;
    }
  }

  return {
    read,
    list: () =>
      readdirSync(folder)
        .filter((name) => name.endsWith(suffix))
        .map((name) => read(name.slice(0, -suffix.length)))
        .filter((entry) => entry !== undefined),
    write(entry) {
      const draft = join(folder, `.${randomUUID()}.draft`);
      // The environment may hold what others must not read.
      writeFileSync(draft, JSON.stringify(entry, undefined, 2), { mode: 0o600 });
      renameSync(draft, fileOf(entry.key));
    },
    remove: (key) => rmSync(fileOf(key), { force: true }),
    locked: (key, run) => withLock(join(folder, `${key}.lock`), run),
    logFile: (key) => join(folder, `${key}.log`),
  };
}

export function isSameProcess(left: ServerEntry, right: ServerEntry): boolean {
  return left.process.pid === right.process.pid && left.process.startTime === right.process.startTime;
}
