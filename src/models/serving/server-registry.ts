/** Records the servers of this machine, one file each, so that all worker processes, also later ones, find them. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { toStorageError } from '../../platform/file-system.ts';
import { withLock } from '../../platform/file-lock.ts';
import { processIdentitySchema } from '../../platform/process-identity.ts';

const entrySchema = z.object({
  key: z.string(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  host: z.string(),
  healthPath: z.string(),
  basePath: z.string(),
  startTimeoutSeconds: z.number(),
  hangTimeoutSeconds: z.number().optional(),
  apiKeyEnv: z.string().optional(),
  isRelay: z.boolean().optional(),
  usesHub: z.boolean().optional(),
  adapterFolder: z.string().optional(),
  /** Stays the same when the server is restarted, so that its base URL stays valid. */
  port: z.number(),
  process: processIdentitySchema,
  /** The server is stopped when it has no owners. */
  owners: z.array(z.string()),
  /** A model of the server, for checks whether it answers. */
  model: z.string(),
  /** The model in messages. */
  label: z.string(),
  startedAt: z.string(),
  /** When the server last became ready; undefined while it starts. */
  readyAt: z.string().optional(),
  /** Why it was started again, until it is ready. */
  problem: z.string().optional(),
  /** Why the server is no longer restarted automatically. */
  failedReason: z.string().optional(),
});

export type ServerEntry = z.output<typeof entrySchema>;

export interface ServerRegistry {
  /** Undefined also if the file is damaged; the server then counts as unknown. */
  read(key: string): ServerEntry | undefined;
  list(): ServerEntry[];
  write(entry: ServerEntry): void;
  remove(key: string): void;
  /** Runs a function while no other process of this machine changes this server or its entry. */
  withLock<T>(key: string, run: () => Promise<T>): Promise<T>;
  /** The file with the server's output. */
  logFile(key: string): string;
}

/** @param folder belongs to this machine only */
export function openServerRegistry(folder: string): ServerRegistry {
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
      const temporary = join(folder, `.${randomUUID()}.tmp`);
      // The environment may contain secrets.
      try {
        writeFileSync(temporary, JSON.stringify(entry, undefined, 2), { mode: 0o600 });
        renameSync(temporary, fileOf(entry.key));
      } catch (error) {
        rmSync(temporary, { force: true });
        throw toStorageError(fileOf(entry.key), error);
      }
    },
    remove: (key) => rmSync(fileOf(key), { force: true }),
    withLock: (key, run) => withLock(join(folder, `${key}.lock`), run),
    logFile: (key) => join(folder, `${key}.log`),
  };
}

export function isSameProcess(a: ServerEntry, b: ServerEntry): boolean {
  return a.process.pid === b.process.pid && a.process.startTime === b.process.startTime;
}
