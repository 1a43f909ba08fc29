/**
 * Proves that the Temporal server behind a connection is the development server that this checkout has started on this machine, for this user. An
 * address is no proof: behind loopback there may be a tunnel to a server at which others start runs. So the one who starts the server
 * writes down, where only this user can, its process and the id of its cluster, and a worker asks the server for its id over its own
 * connection.
 */
import { lstatSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../platform/cache-folder.ts';
import { packageRoot } from '../platform/package-root.ts';
import {
  isSameProcessAlive,
  processIdentitySchema,
  type ProcessIdentity,
} from '../platform/process-identity.ts';

const proofSchema = z.object({
  clusterId: z.string().min(1),
  packageRoot: z.string(),
  process: processIdentitySchema,
});

/** A connection to a server, of a client or of a worker. */
export interface ServerConnection {
  readonly workflowService: {
    getClusterInfo(request: object): Promise<{ readonly clusterId?: string | null }>;
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Writes the proof for a server that this process has started. */
export async function writeDevServerProof(
  connection: ServerConnection,
  { port, identity, environment }: { port: number; identity: ProcessIdentity; environment: Environment },
): Promise<void> {
  const { clusterId } = await connection.workflowService.getClusterInfo({});
  const file = proofFile(port, environment);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  await writeFile(temporary, JSON.stringify({ clusterId, packageRoot, process: identity }), {
    mode: 0o600,
    flag: 'wx',
  });
  await rename(temporary, file);
}

/** Returns whether the connected server is a development server that this checkout has started and that still runs. */
export async function isOwnDevServer(
  connection: ServerConnection,
  address: string,
  environment: Environment,
): Promise<boolean> {
  const [, port] = /^(?:127\.0\.0\.1|localhost):(\d+)$/.exec(address) ?? [];
  const proof = port === undefined ? undefined : readProof(proofFile(Number(port), environment));
  if (proof === undefined || proof.packageRoot !== packageRoot) return false;
  if (!(await isSameProcessAlive(proof.process))) return false;
  const { clusterId } = await connection.workflowService.getClusterInfo({});
  return clusterId === proof.clusterId;
}

function proofFile(port: number, environment: Environment): string {
  return join(cacheFolder(environment, process.platform), 'dev-servers', `${port}.json`);
}

/** The content of a file that only this user can have written; undefined otherwise. */
function readProof(file: string): z.output<typeof proofSchema> | undefined {
  try {
    const { mode, uid } = lstatSync(file);
    const isOwn = process.getuid === undefined || uid === process.getuid();
    // A symbolic link has another mode.
    if (!isOwn || (mode & 0o170_077) !== 0o100_000) return undefined;
    return proofSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
