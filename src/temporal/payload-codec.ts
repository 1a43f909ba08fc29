import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { ClientOptions } from '@temporalio/client';
import proto from '@temporalio/proto';
import { PayloadNotDecrypted } from './payload-not-decrypted.ts';
import { type EncryptionKey, KEYS_FILE_VARIABLE, KEYS_VARIABLE } from './encryption-keys.ts';

type PayloadCodec = NonNullable<NonNullable<ClientOptions['dataConverter']>['payloadCodecs']>[number];
export type Payload = Parameters<PayloadCodec['encode']>[0][number];

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

const CIPHER = 'aes-256-gcm';
const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts payloads with the newest key and decrypts them with any, in the form of Temporal's own samples: AES-256-GCM,
 * nonce, ciphertext and tag in one, the id of the key in the metadata. Payloads in plain pass through when they are
 * decoded, so that a run may be started by programs without the key; without keys nothing is encrypted.
 */
export class EncryptionCodec implements PayloadCodec {
  readonly #newest: EncryptionKey | undefined;
  readonly #keys: ReadonlyMap<string, EncryptionKey>;

  /** @param keys the newest first */
  constructor(keys: readonly EncryptionKey[]) {
    this.#newest = keys[0];
    this.#keys = new Map(keys.map((key) => [key.id, key]));
  }

  encode(payloads: Payload[]): Promise<Payload[]> {
    const key = this.#newest;
    return Promise.resolve(key === undefined ? payloads : payloads.map((payload) => encrypt(payload, key)));
  }

  /** @throws PayloadNotDecrypted */
  // An async function, because the SDK awaits an error as a rejection.
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => (isEncrypted(payload) ? this.#decrypt(payload) : payload));
  }

  #decrypt({ metadata, data }: Payload): Payload {
    const id = JSON.stringify(textOf(metadata?.[KEY_ID]).slice(0, 64));
    const key = this.#keys.get(textOf(metadata?.[KEY_ID]));
    if (key === undefined) throw new PayloadNotDecrypted(`encrypted with the key ${id}, ${this.#missing()}`);
    const bytes = data ?? new Uint8Array();
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv(CIPHER, key.key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const plain = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
      return PayloadMessage.decode(Buffer.concat(plain));
    } catch (cause) {
      const problem = `encrypted with a key ${id} that differs from the one of this process, or was changed since: compare the keys of all workers and clients`;
      throw new PayloadNotDecrypted(problem, { cause });
    }
  }

  #missing(): string {
    const set = `in ${KEYS_FILE_VARIABLE} (or ${KEYS_VARIABLE})`;
    if (this.#keys.size === 0)
      return `but this process has no keys: give it those of the other workers and clients ${set}, and restart it`;
    const known = [...this.#keys.keys()].join(', ');
    return `but this process has only ${known}: add the key ${set}, and restart it`;
  }
}

function encrypt(payload: Payload, { id, key }: EncryptionKey): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  const encrypted = [cipher.update(PayloadMessage.encode(payload).finish()), cipher.final()];
  return {
    metadata: { encoding: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(id) },
    data: Buffer.concat([nonce, ...encrypted, cipher.getAuthTag()]),
  };
}

function isEncrypted({ metadata }: Payload): boolean {
  return textOf(metadata?.['encoding']) === ENCODING;
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}
