import { randomUUID } from 'node:crypto';
import { openObjectStore } from '../../src/store/drivers.ts';
import { findSeaweedFs, startSeaweedFs } from '../support/seaweedfs.ts';
import { removeLocalFiles } from '../support/use-bucket.ts';
import { conformsToObjectStore } from './conformance.ts';
import { restoreEnvironment } from '../support/restore-environment.ts';

describe('a store in a bucket of SeaweedFS', function () {
  this.timeout(600_000);
  const environment = { ...process.env };
  const addresses: string[] = [];
  let server: Awaited<ReturnType<typeof startSeaweedFs>> | undefined;

  before(async function () {
    // Building SeaweedFS takes 10 min on two idle cores.
    this.timeout(3_600_000);
    const program = await findSeaweedFs();
    if (program === undefined) {
      console.log('      skipped: needs a second S3 server: TEST_SEAWEEDFS=1 builds SeaweedFS with Go');
      return this.skip();
    }
    server = await startSeaweedFs(program, 'judges');
    Object.assign(process.env, server.environment);
  });
  after(async () => {
    for (const each of addresses) await removeLocalFiles(each);
    restoreEnvironment(environment);
    await server?.close();
  });

  const address = () => {
    addresses.push(`s3://judges/${randomUUID()}`);
    return addresses.at(-1) ?? '';
  };
  conformsToObjectStore('s3 (SeaweedFS)', async () => openObjectStore(address()), {
    emptyPrefixesLinger: true,
  });
});
