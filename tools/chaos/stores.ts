/** The stores of a chaos run: a folder, or a bucket of a real S3 server, which is restarted when it is killed. */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openObjectStore } from '../../src/store/drivers.ts';
import type { Network } from '../../test/support/machines.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server } from '../../test/support/s3-server.ts';
import { SetupError } from '../../src/platform/setup-error.ts';
import { SupervisedProcess } from './supervised-process.ts';

export const STORES = ['folder', 's3'] as const;
export type StoreKind = (typeof STORES)[number];

const BUCKET = 'chaos';

interface ChaosStore {
  /** For workers. */
  readonly address: string;
  /** The objects as files. */
  readonly folder: string;
  readonly server: SupervisedProcess | undefined;
  /** What workers need to find it, on this machine or on others. */
  environment(network: Network | undefined): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

export function folderStore(folder: string): ChaosStore {
  return {
    ...{ address: folder, folder, server: undefined },
    environment: () => Promise.resolve({}),
    close: () => Promise.resolve(),
  };
}

/** @param folder its name is the bucket's prefix */
export async function startBucket(folder: string): Promise<ChaosStore> {
  const program = await findVersitygw();
  if (program === undefined) throw new SetupError(`--store s3 ${NO_S3_SERVER}.`);
  const s3 = await startS3Server(program);
  await s3.createBucket(BUCKET);
  const prefix = basename(folder);
  const address = `s3://${BUCKET}/${prefix}`;
  const server = new SupervisedProcess(async () => {
    await s3.start();
    const { process: child } = s3;
    if (child?.pid === undefined) throw new Error('the S3 server has no process');
    return { pid: child.pid, exited: once(child, 'exit'), stop: () => s3.kill() };
  });
  return {
    address,
    folder: join(s3.folder, BUCKET, prefix),
    server,
    async environment(network) {
      const url = s3.environment['AWS_ENDPOINT_URL_S3'] ?? '';
      const forwarded = await network?.forward(Number(new URL(url).port));
      return forwarded === undefined
        ? s3.environment
        : { ...s3.environment, AWS_ENDPOINT_URL_S3: `http://${forwarded}` };
    },
    async close() {
      await server.stop();
      await s3.close();
      await rm(openObjectStore(address).localRoot, { recursive: true, force: true });
    },
  };
}
