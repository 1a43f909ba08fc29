import { randomUUID } from 'node:crypto';
import { findVersitygw, NO_S3_SERVER, startS3Server, type S3Server } from './s3-server.ts';

/**
 * Gives the calling suite a bucket of a real S3 server, which the environment of this process names during its tests. Skips
 * them if there is no server.
 */
export function useBucket(): { readonly server: S3Server; newAddress(): string } {
  const environment = { ...process.env };
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
    process.env = environment;
    await running?.close();
  });
  return {
    get server() {
      if (running === undefined) throw new Error('there is a server in tests only');
      return running;
    },
    newAddress: () => `s3://judges/${randomUUID()}`,
  };
}
