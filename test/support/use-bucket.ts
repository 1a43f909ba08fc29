import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { openObjectStore } from '../../src/store/drivers.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server, type S3Server } from './s3-server.ts';
import { restoreEnvironment } from './restore-environment.ts';

/**
 * Gives the calling suite a bucket of a real S3 server, which the environment of this process names during its tests. Skips
 * them if there is no server.
 */
export function useBucket(): { readonly server: S3Server; newAddress(): string } {
  const environment = { ...process.env };
  const addresses: string[] = [];
  let running: S3Server | undefined;
  before(async function () {
    const program = await findVersitygw();
    if (program === undefined) {
      console.log(`      skipped: ${NO_S3_SERVER}`);
      return this.skip();
    }
    running = await startS3Server(program);
    await running.createBucket('judges');
  });
  beforeEach(() => {
    Object.assign(process.env, running?.environment);
  });
  after(async () => {
    for (const address of addresses) await removeLocalFiles(address);
    restoreEnvironment(environment);
    await running?.close();
  });
  return {
    get server() {
      if (running === undefined) throw new Error('there is a server in tests only');
      return running;
    },
    newAddress() {
      const address = `s3://judges/${randomUUID()}`;
      addresses.push(address);
      return address;
    },
  };
}

/** Removes what a process of this machine has stored for a bucket. */
export async function removeLocalFiles(address: string): Promise<void> {
  await rm(openObjectStore(address).localRoot, { recursive: true, force: true });
}
