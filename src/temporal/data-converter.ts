/**
 * How payloads are written to Temporal: the one place for workers, clients, the command line and the codec server.
 */
import type { ClientOptions } from '@temporalio/client';
import { moduleFile } from '../platform/package-root.ts';
import { type EncryptionKey, readEncryptionKeys } from './encryption-keys.ts';
import { EncryptionCodec } from './payload-codec.ts';

export type DataConverter = NonNullable<ClientOptions['dataConverter']>;

/**
 * The data converter of a process with these keys, the newest first. It has a codec without keys too, which says which
 * key is missing when it reads an encrypted payload.
 */
export function createDataConverter(keys: readonly EncryptionKey[]): DataConverter {
  return {
    payloadCodecs: [new EncryptionCodec(keys)],
    ...(keys.length === 0 ? {} : { failureConverterPath: moduleFile('temporal/failure-converter') }),
  };
}

/**
 * The data converter for the keys in TEMPORAL_ENCRYPTION_KEYS or in the file that TEMPORAL_ENCRYPTION_KEYS_FILE names,
 * the same as that of the workers. Without these variables payloads are written in plain, and plain ones are always read.
 * @throws SettingError that says which variable is invalid, and never contains a key
 */
export function dataConverterFrom(environment: Readonly<Record<string, string | undefined>>): DataConverter {
  return createDataConverter(readEncryptionKeys(environment));
}
