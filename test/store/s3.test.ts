import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import type { StorageUnavailable } from '../../src/platform/file-system.ts';
import { checkStore } from '../../src/store/check-store.ts';
import { openObjectStore, resolveStoreAddress } from '../../src/store/drivers.ts';
import { openBucket } from '../../src/store/drivers/s3.ts';
import { startFaultyProxy, type Fault, type FaultyProxy } from '../support/faulty-proxy.ts';
import { findVersitygw, NO_S3_SERVER, startS3Server, type S3Server } from '../support/s3-server.ts';
import { removeLocalFiles } from '../support/use-bucket.ts';
import { conformsToObjectStore } from './conformance.ts';
import { restoreEnvironment } from '../support/restore-environment.ts';

describe('a store in a bucket', function () {
  this.timeout(600_000);
  let server: S3Server | undefined;
  let proxy: FaultyProxy | undefined;
  const environment = { ...process.env };

  before(async function () {
    const program = await findVersitygw();
    if (program === undefined) {
      console.log(`      skipped: ${NO_S3_SERVER}`);
      return this.skip();
    }
    server = await startS3Server(program);
    await server.createBucket('judges');
    proxy = await startFaultyProxy(server.environment['AWS_ENDPOINT_URL_S3'] ?? '');
  });
  beforeEach(() => {
    Object.assign(process.env, server?.environment);
  });
  after(async () => {
    for (const each of addresses) await removeLocalFiles(each);
    restoreEnvironment(environment);
    await proxy?.close();
    await server?.close();
  });

  const addresses: string[] = [];
  const address = () => {
    addresses.push(`s3://judges/${randomUUID()}`);
    return addresses.at(-1) ?? '';
  };
  conformsToObjectStore('s3', async () => openObjectStore(address()));

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

  it('keeps an object of several parts as it was put', async () => {
    const objects = openObjectStore(address());
    const parts = Array.from({ length: 5 }, () => randomBytes(15 * 2 ** 20));
    await objects.put('large', asStream(parts));
    assert.equal((await objects.head('large'))?.bytes, 75 * 2 ** 20);
    assert(Buffer.concat(parts).equals((await objects.get('large'))?.content ?? Buffer.of()));
  });

  it('moves objects that are too large for one copy in parts', async () => {
    const where = address();
    const content = randomBytes(12 * 2 ** 20);
    const objects = openBucket(where, 5 * 2 ** 20);
    await objects.put('some/large', content);
    assert.equal(await objects.move('some/large', 'other'), true);
    assert(content.equals((await objects.get('other'))?.content ?? Buffer.of()));
    assert.deepEqual(
      (await objects.list('')).map(({ key }) => key),
      ['other'],
    );
    assert.equal(await objects.move('some/large', 'other'), false);
    assert.deepEqual(await objects.listIncomplete(''), []);
  });

  describe('behind a connection that breaks', () => {
    beforeEach(() => {
      process.env['AWS_ENDPOINT_URL_S3'] = proxy?.url;
    });
    afterEach(() => proxy?.breaks(() => undefined));

    /** Breaks the first requests of a kind. */
    const breakFirst = (count: number, method: string, fault: Fault) => {
      let left = count;
      proxy?.breaks((request) => (request.method === method && (left -= 1) >= 0 ? fault : undefined));
    };
    const slowDown: Fault = {
      kind: 'answer',
      status: 503,
      body: '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
    };

    it('knows that it created an object, though the answer was lost', async () => {
      const objects = openObjectStore(address());
      breakFirst(1, 'PUT', { kind: 'answer lost' });
      assert.equal(await objects.putIfAbsent('claim', 'mine'), true);
      breakFirst(1, 'PUT', { kind: 'answer lost' });
      assert.equal(await objects.putIfAbsent('claim', 'other'), false);
      const { version = '' } = (await objects.head('claim')) ?? {};
      breakFirst(1, 'PUT', { kind: 'answer lost' });
      assert.equal(await objects.replaceIfVersion('claim', 'renewed', version), true);
      assert.equal((await objects.get('claim'))?.content.toString(), 'renewed');
    });

    it('gives a claim to one of many though every second answer is lost', async () => {
      const where = address();
      let count = 0;
      proxy?.breaks(({ method }) =>
        method === 'PUT' && (count += 1) % 2 === 0 ? { kind: 'answer lost' } : undefined,
      );
      for (let round = 0; round < 10; round += 1) {
        const won = await Promise.all(
          Array.from({ length: 8 }, (_, racer) =>
            openObjectStore(where).putIfAbsent(`claim-${round}`, String(racer)),
          ),
        );
        assert.equal(won.filter(Boolean).length, 1, won.join());
        const standing = (await openObjectStore(where).get(`claim-${round}`))?.content.toString();
        assert.equal(standing, String(won.indexOf(true)));
      }
    });

    it('sends a request again when the server asks to slow down', async () => {
      const objects = openObjectStore(address());
      breakFirst(3, 'PUT', slowDown);
      await objects.put('key', 'text');
      breakFirst(3, 'GET', slowDown);
      assert.equal((await objects.get('key'))?.content.toString(), 'text');
    });

    it('keeps what a log could not store for its end', async () => {
      const objects = openObjectStore(address());
      const log = await objects.openLog('log');
      await log.append('first');
      breakFirst(1, 'PUT', { kind: 'answer', status: 400, body: '' });
      await assert.rejects(log.sync());
      await log.append('second');
      await log.close();
      assert.deepEqual(
        (await objects.list('log')).map(({ key, bytes }) => [key, bytes]),
        [['log/000001.jsonl', 'firstsecond'.length]],
      );
    });

    it('goes on with an object where the connection broke', async () => {
      const objects = openObjectStore(address());
      const content = randomBytes(3 * 2 ** 20);
      await objects.put('key', content);
      breakFirst(3, 'GET', { kind: 'answer cut' });
      assert(content.equals((await objects.get('key'))?.content ?? Buffer.of()));
      breakFirst(3, 'GET', { kind: 'answer cut' });
      assert(content.subarray(-1000).equals((await objects.tail('key', 1000)) ?? Buffer.of()));
    });
  });

  describe('that cannot be used says so in one sentence:', () => {
    const check = (where = address()) => checkStore(() => openObjectStore(where));
    const recorded = (status: number, code: string, message: string) => () =>
      ({
        kind: 'answer',
        status,
        body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
      }) satisfies Fault;
    afterEach(() => proxy?.breaks(() => undefined));

    it('a bucket that does not exist', () =>
      assert.rejects(
        check('s3://no-such-bucket/x'),
        /The store s3:\/\/no-such-bucket\/x can't be used: there is no such bucket\. Create it/,
      ));

    it('a key that the server does not know, and a wrong secret', async () => {
      process.env['AWS_ACCESS_KEY_ID'] = 'nobody';
      await assert.rejects(check(), /the server does not know the access key/);
      process.env['AWS_ACCESS_KEY_ID'] = server?.environment['AWS_ACCESS_KEY_ID'];
      process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong';
      await assert.rejects(check(), (error: Error) => {
        assert.match(error.message, /the secret key is wrong/);
        return true;
      });
    });

    it('a wrong region', async () => {
      process.env['AWS_REGION'] = 'eu-west-3';
      await assert.rejects(check(), /the region is wrong\. Correct AWS_REGION/);
    });

    it('an endpoint at which nothing listens', async () => {
      process.env['AWS_ENDPOINT_URL_S3'] = 'http://127.0.0.1:1';
      await assert.rejects(check(), /nothing listens at the endpoint/);
    });

    it('a server that ignores the condition of a put', async () => {
      process.env['AWS_ENDPOINT_URL_S3'] = proxy?.url;
      const ignore = (header: string) =>
        proxy?.breaks(({ headers }) => (header in headers ? { kind: 'condition ignored' } : undefined));
      const where = address();
      const refusal = (problem: string) => ({
        name: 'StoreUnusable',
        message:
          `The store ${where} can't be used: ${problem}. Use a server with conditional writes (If-None-Match and If-Match) ` +
          'that all requests see at once, as Amazon S3 has them, or a folder (docs/stores.md).',
      });
      ignore('if-none-match');
      await assert.rejects(
        check(where),
        refusal('creating an object succeeds although the object already exists'),
      );
      ignore('if-match');
      await assert.rejects(check(where), refusal('the replacement of an object is not noticed'));
      proxy?.breaks(() => undefined);
      await check(where);
      assert.deepEqual(await openObjectStore(where).list(''), []);
    });

    it('credentials that have expired, rights that are missing, and a bucket that is full', async () => {
      process.env['AWS_ENDPOINT_URL_S3'] = proxy?.url;
      proxy?.breaks(recorded(400, 'ExpiredToken', 'The provided token has expired.'));
      await assert.rejects(check(), /the credentials have expired\. Renew them/);
      proxy?.breaks(recorded(403, 'AccessDenied', 'Access Denied'));
      await assert.rejects(check(), /these credentials may not do that/);
      proxy?.breaks(
        recorded(507, 'XMinioStorageFull', 'Storage backend has reached its minimum free drive threshold.'),
      );
      await assert.rejects(check(), (error: StorageUnavailable) => {
        assert.match(
          error.message,
          /the server is full\. Free some space\. Then the work continues by itself/,
        );
        // A worker starts nevertheless, as with a full disk.
        assert.equal(error.isFull, true);
        return true;
      });
    });
  });
});

async function* asStream(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    yield part;
  }
}
