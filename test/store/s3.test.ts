import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { checkStore } from '../../src/store/check-store.ts';
import { openObjectStore, resolveStoreAddress } from '../../src/store/drivers.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server, type S3Server } from '../support/s3-server.ts';
import { conformsToObjectStore } from './conformance.ts';

describe('a store in a bucket', function () {
  this.timeout(600_000);
  let server: S3Server | undefined;
  const before_ = { ...process.env };

  before(async function () {
    const program = await findVersitygw();
    if (program === undefined) {
      console.log(NO_S3_SERVER);
      return this.skip();
    }
    server = await startS3Server(program);
    Object.assign(process.env, server.environment);
    await server.createBucket('judges');
  });
  after(async () => {
    process.env = before_;
    await server?.stop();
  });

  conformsToObjectStore('s3', async () => openObjectStore(`s3://judges/${randomUUID()}`));

  it('may be a whole bucket, or a prefix, with or without a slash at its end', async () => {
    const prefix = randomUUID();
    await openObjectStore('s3://judges').put(`${prefix}/a`, 'text');
    const below = openObjectStore(`s3://judges/${prefix}/`);
    assert.equal((await below.get('a'))?.content.toString(), 'text');
    assert.equal(below.locate('a'), `s3://judges/${prefix}/a`);
    assert.equal(resolveStoreAddress('s3://judges/team/'), 's3://judges/team');
    assert.equal(await below.exists(), true);
    assert.equal(await openObjectStore('s3://other-bucket').exists(), false);
    assert.throws(() => openObjectStore('s3://'), /names no bucket: give s3:\/\/BUCKET/);
  });

  it('is a usable store, and otherwise says in one sentence why not', async () => {
    const check = (address: string) => checkStore(() => openObjectStore(address));
    await check(`s3://judges/${randomUUID()}`);
    await assert.rejects(check('s3://no-such-bucket/x'), /there is no such bucket/);
  });
});
