/**
 * The keys with which payloads are encrypted. They come from the environment only, so that they are in no
 * configuration, argument or history.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { addSecret } from '../platform/secrets.ts';
import { SettingError } from '../platform/setting-error.ts';

/** An AES-256 key. */
export interface EncryptionKey {
  /** The name of the key, which every payload that it encrypts carries in plain. */
  readonly id: string;
  /** Prints no bytes when it is logged. */
  readonly key: KeyObject;
}

/** The variable with the keys, and the one that names a file with them. */
export const KEYS_VARIABLE = 'TEMPORAL_ENCRYPTION_KEYS';
export const KEYS_FILE_VARIABLE = 'TEMPORAL_ENCRYPTION_KEYS_FILE';

const FORM = `"ID:KEY", the newest first, where KEY is what "openssl rand -base64 32" prints`;
const ID = /^[A-Za-z0-9._-]{1,64}$/;
/** 32 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{43}=$/;

/**
 * Reads the keys, the newest first; none if neither variable is set. Keys are separated by white space or commas; a
 * file may have comments that begin with `#`. From then on they are hidden in every text that leaves the process.
 * @throws SettingError that says what is wrong and never contains a key
 */
export function readEncryptionKeys(
  environment: Readonly<Record<string, string | undefined>>,
): EncryptionKey[] {
  const { [KEYS_VARIABLE]: text, [KEYS_FILE_VARIABLE]: file } = environment;
  if (text && file)
    throw new SettingError(`${KEYS_VARIABLE} and ${KEYS_FILE_VARIABLE} are both set: unset one of them.`);
  if (file) return parseKeys(readKeyFile(file), `the file that ${KEYS_FILE_VARIABLE} names`);
  return text ? parseKeys(text, KEYS_VARIABLE) : [];
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(`${KEYS_FILE_VARIABLE}: the keys can't be read: ${reason}`);
  }
}

function parseKeys(text: string, source: string): EncryptionKey[] {
  const entries = text
    .replaceAll(/#.*/g, '')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '');
  if (entries.length === 0) throw new SettingError(`${source} has no key: it needs ${FORM}.`);
  const keys = entries.map((entry, index) => {
    const separator = entry.indexOf(':');
    const [id, key] = [entry.slice(0, separator), entry.slice(separator + 1)];
    // The entry isn't quoted, because it may be a key.
    if (separator < 0 || !ID.test(id) || !KEY.test(key))
      throw new SettingError(`${source}: entry ${index + 1} is invalid: it must be ${FORM}.`);
    addSecret(key);
    return { id, key: createSecretKey(key, 'base64') };
  });
  const twice = keys.find(({ id }, index) => keys.findIndex((other) => other.id === id) !== index);
  if (twice !== undefined)
    throw new SettingError(`${source} has two keys with the id "${twice.id}": give each its own.`);
  return keys;
}
