import assert from 'node:assert/strict';
import { randomBytes, webcrypto } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ActivityFailure, ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import proto from '@temporalio/proto';
import { maskSecrets } from '../../src/platform/secrets.ts';
import { readEncryptionKeys } from '../../src/temporal/encryption-keys.ts';
import { failureConverter } from '../../src/temporal/failure-converter.ts';
import { EncryptionCodec } from '../../src/temporal/payload-codec.ts';
import { PayloadNotDecrypted } from '../../src/temporal/payload-not-decrypted.ts';

const bytes = { older: randomBytes(32), newer: randomBytes(32) };
const entry = (id: keyof typeof bytes) => `${id}:${bytes[id].toString('base64')}`;
const keysOf = (text: string) => readEncryptionKeys({ TEMPORAL_ENCRYPTION_KEYS: text });
const codecWith = (text: string) => new EncryptionCodec(text === '' ? [] : keysOf(text));
const payload = () => defaultPayloadConverter.toPayload({ pool: 'secret.jsonl' });
const text = (payloads: unknown) =>
  JSON.stringify(payloads, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );

async function encrypted(keys: string) {
  const [result] = await codecWith(keys).encode([payload()]);
  assert(result?.data && result.metadata);
  return { data: result.data, metadata: result.metadata };
}

describe('the payload codec', () => {
  it('encrypts with the newest key, and decrypts with all', async () => {
    const both = codecWith(`${entry('newer')}\n${entry('older')}`);
    const old = await encrypted(entry('older'));
    const [fresh] = await both.encode([payload()]);
    assert.doesNotMatch(Buffer.from(fresh?.data ?? []).toString('latin1'), /secret|pool|json/);
    assert.equal(Buffer.from(fresh?.metadata?.['encryption-key-id'] ?? []).toString(), 'newer');
    const decoded = await both.decode([old, fresh ?? {}]);
    for (const each of decoded)
      assert.deepEqual(defaultPayloadConverter.fromPayload(each), { pool: 'secret.jsonl' });
  });

  it("writes what Temporal's samples read: nonce, ciphertext and tag of AES-GCM over the payload", async () => {
    const { data } = await encrypted(entry('older'));
    const key = await webcrypto.subtle.importKey('raw', bytes.older, 'AES-GCM', false, ['decrypt']);
    const algorithm = { name: 'AES-GCM', iv: new Uint8Array(data.subarray(0, 12)) };
    const plain = await webcrypto.subtle.decrypt(algorithm, key, new Uint8Array(data.subarray(12)));
    const decoded = proto.temporal.api.common.v1.Payload.decode(new Uint8Array(plain));
    assert.deepEqual(defaultPayloadConverter.fromPayload(decoded), { pool: 'secret.jsonl' });
  });

  it('never uses a nonce twice', async () => {
    const nonces = await Promise.all(
      Array.from({ length: 100 }, async () =>
        Buffer.from((await encrypted(entry('older'))).data.subarray(0, 12)).toString('hex'),
      ),
    );
    assert.equal(new Set(nonces).size, 100);
  });

  it('passes payloads in plain on, and without keys encrypts none', async () => {
    const plain = payload();
    assert.deepEqual(await codecWith(entry('older')).decode([plain]), [plain]);
    assert.deepEqual(await codecWith('').encode([plain]), [plain]);
  });

  it('names the key that is missing, the variable, and the keys that are there', async () => {
    const read = async (keys: string) => codecWith(keys).decode([await encrypted(entry('older'))]);
    await assert.rejects(read(''), /PayloadNotDecrypted.*"older".*no keys.*TEMPORAL_ENCRYPTION_KEYS_FILE/s);
    await assert.rejects(read(entry('newer')), /"older".*has only newer.*TEMPORAL_ENCRYPTION_KEYS_FILE/s);
  });

  it('refuses a payload that was changed, cut, or encrypted with another key of the same name', async () => {
    const good = await encrypted(entry('older'));
    const flipped = Buffer.from(good.data);
    flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
    for (const data of [flipped, good.data.subarray(0, -1), good.data.subarray(0, 5), new Uint8Array()])
      await assert.rejects(codecWith(entry('older')).decode([{ ...good, data }]), PayloadNotDecrypted);
    const other = `older:${bytes.newer.toString('base64')}`;
    await assert.rejects(codecWith(other).decode([good]), /key "older" that differs.*compare the keys/);
  });

  it('quotes at most 64 characters of a key id, without control characters', async () => {
    const good = await encrypted(entry('older'));
    const metadata = { ...good.metadata, 'encryption-key-id': Buffer.from(`\u001b]8;;${'x'.repeat(500)}`) };
    const error = await codecWith('')
      .decode([{ ...good, metadata }])
      .then(() => assert.fail(), String);
    assert.doesNotMatch(error, /\p{Cc}|x{65}/u);
  });
});

describe('the encryption keys', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keys-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('come from a variable or from a file with comments, the newest first', async () => {
    const file = join(folder, 'keys');
    await writeFile(file, `# since May\n${entry('newer')} # newest\n\n${entry('older')}\n`);
    const fromFile = readEncryptionKeys({ TEMPORAL_ENCRYPTION_KEYS_FILE: file });
    assert.deepEqual(
      fromFile.map(({ id }) => id),
      ['newer', 'older'],
    );
    assert.deepEqual(
      keysOf(`${entry('newer')},${entry('older')}`).map(({ id }) => id),
      ['newer', 'older'],
    );
    assert.deepEqual(readEncryptionKeys({ TEMPORAL_ENCRYPTION_KEYS: '' }), []);
    assert.equal(maskSecrets(`a ${bytes.newer.toString('base64')} b`), 'a [key] b');
  });

  it('are refused without quoting them', async () => {
    const empty = join(folder, 'empty');
    await writeFile(empty, '# none yet\n');
    const secret = bytes.older.toString('base64');
    for (const [environment, message] of [
      [{ TEMPORAL_ENCRYPTION_KEYS: secret }, /TEMPORAL_ENCRYPTION_KEYS: entry 1 is invalid.*openssl/],
      [{ TEMPORAL_ENCRYPTION_KEYS: `${entry('newer')} older:${secret.slice(4)}` }, /entry 2 is invalid/],
      [{ TEMPORAL_ENCRYPTION_KEYS: `a b:${secret}` }, /entry 1 is invalid/],
      [{ TEMPORAL_ENCRYPTION_KEYS: `${entry('older')} older:${secret}` }, /two keys with the id "older"/],
      [{ TEMPORAL_ENCRYPTION_KEYS_FILE: empty }, /file that TEMPORAL_ENCRYPTION_KEYS_FILE names has no key/],
      [{ TEMPORAL_ENCRYPTION_KEYS_FILE: join(folder, 'none') }, /TEMPORAL_ENCRYPTION_KEYS_FILE: .*ENOENT/],
      [{ TEMPORAL_ENCRYPTION_KEYS: entry('older'), TEMPORAL_ENCRYPTION_KEYS_FILE: empty }, /both set/],
    ] as const)
      assert.throws(
        () => readEncryptionKeys(environment),
        (error: Error) =>
          error.name === 'SettingError' &&
          message.test(error.message) &&
          !error.message.includes(secret.slice(4)),
      );
  });
});

describe('the failure converter', () => {
  const activityFailure = () => {
    const cause = ApplicationFailure.create({
      message: 'the endpoint said secret',
      type: 'RequestRejected',
      details: ['secret'],
    });
    return new ActivityFailure('Activity task failed: secret', 'judge', '7', 'IN_PROGRESS', 'worker', cause);
  };
  const attributesOnly = (failure: unknown) =>
    text(
      JSON.parse(
        JSON.stringify(failure, (name, value: unknown) =>
          /encodedAttributes|details/.test(name) ? undefined : value,
        ),
      ),
    );

  it('leaves no message or stack in plain, also if a workflow passes on a failure that it has received', () => {
    const first = failureConverter.errorToFailure(activityFailure(), defaultPayloadConverter);
    assert.doesNotMatch(attributesOnly(first), /secret|payload-codec\.test/);
    const received = failureConverter.failureToError(first, defaultPayloadConverter);
    assert.match(String(received.cause), /the endpoint said secret/);
    const again = failureConverter.errorToFailure(received, defaultPayloadConverter);
    assert.doesNotMatch(attributesOnly(again), /secret|payload-codec\.test/);
    const twice = failureConverter.errorToFailure(received, defaultPayloadConverter);
    assert.match(
      String(failureConverter.failureToError(twice, defaultPayloadConverter).cause),
      /the endpoint said secret/,
    );
  });

  it('keeps readable which key is missing', () => {
    const error = new PayloadNotDecrypted('encrypted with the key "older"');
    for (const each of [error, ApplicationFailure.fromError(error)])
      assert.match(failureConverter.errorToFailure(each, defaultPayloadConverter).message ?? '', /"older"/);
  });
});
