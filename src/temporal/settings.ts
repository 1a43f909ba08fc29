/**
 * The Temporal server that a process connects to, and its credentials: the variables TEMPORAL_* and the profiles of
 * the Temporal CLI's file.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  type ClientConfigProfile,
  type ClientConfigTLS,
  type ConfigDataSource,
  loadClientConfigProfile,
  loadConfigData,
} from '@temporalio/envconfig';
import { addSecret, addSecretsOf } from '../platform/secrets.ts';
import { SettingError } from '../platform/setting-error.ts';
import { type EncryptionKey, readEncryptionKeys } from './encryption-keys.ts';

/** The settings of a connection, for both kinds of connection of the SDK. */
export interface TemporalSettings {
  /** Host and port. If it is undefined, the server on this machine is used. */
  readonly address: string | undefined;
  readonly namespace: string;
  readonly apiKey: string | undefined;
  /** Headers of every call. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Undefined without TLS. */
  readonly tls: TlsSettings | undefined;
  /** The keys that encrypt payloads, the newest first; without keys payloads are written in plain. */
  readonly encryptionKeys: readonly EncryptionKey[];
}

/** Certificates and keys are PEM. */
export interface TlsSettings {
  /** The authorities that may have signed the server's certificate; by default those that Node trusts. */
  readonly serverAuthority: Buffer | undefined;
  /** The name that the server's certificate must have, if it differs from the address. */
  readonly serverName: string | undefined;
  readonly client: { readonly certificate: Buffer; readonly key: Buffer } | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings in the same way as every SDK of Temporal: a variable overrides the profile that TEMPORAL_PROFILE
 * names in the file that TEMPORAL_CONFIG_FILE names. An empty variable counts as unset; an empty TEMPORAL_CONFIG_FILE
 * means no file.
 * @throws SettingError that names the variable, profile or file that is invalid, and never contains a key
 */
export function temporalSettings(environment: Environment): TemporalSettings {
  requireSwitches(environment);
  const profile = readProfile(environment);
  const { address, namespace, apiKey } = profile;
  const metadata = metadataOf(profile);
  // Keys in a profile are as secret as those in a variable.
  for (const secret of [apiKey, ...Object.values(metadata)]) addSecret(secret);
  if (apiKey !== undefined && !/^[!-~]+$/.test(apiKey))
    throw new SettingError(
      'The API key for Temporal (TEMPORAL_API_KEY, or api_key of the profile) contains a space, a line break or another invalid character: copy it again.',
    );
  return {
    address: address === undefined ? undefined : checkedAddress(address),
    namespace: namespace ?? 'default',
    apiKey,
    metadata,
    // A key implies a server with TLS.
    tls: profile.tls === undefined ? (apiKey === undefined ? undefined : NO_FILES) : tlsOf(profile.tls),
    encryptionKeys: readEncryptionKeys(environment),
  };
}

/**
 * Returns the environment for a process that must use the development server at this address, overriding all other
 * settings.
 */
export function localServerEnvironment(address: string, environment: Environment): Environment {
  const others = Object.entries(environment).filter(([name]) => !CONNECTION_VARIABLE.test(name));
  return { ...Object.fromEntries(others), TEMPORAL_ADDRESS: address, TEMPORAL_CONFIG_FILE: '' };
}

const CONNECTION_VARIABLE =
  /^TEMPORAL_(ADDRESS|NAMESPACE|PROFILE|CONFIG_FILE|API_KEY|TLS|TLS_.*|GRPC_META_.*)$/;
const NO_FILES: TlsSettings = { serverAuthority: undefined, serverName: undefined, client: undefined };

/** The library reads every word other than `1` and `true` as false, and would then send a key without TLS. */
function requireSwitches(environment: Environment): void {
  for (const name of ['TEMPORAL_TLS', 'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION']) {
    const value = environment[name] ?? '';
    if (!['', '1', 'true', '0', 'false'].includes(value))
      throw new SettingError(`${name} is ${JSON.stringify(value)}, but must be "true" or "false".`);
  }
  if (['1', 'true'].includes(environment['TEMPORAL_TLS_DISABLE_HOST_VERIFICATION'] ?? ''))
    throw new SettingError(
      "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION is set, but Temporal's TypeScript SDK always verifies the server's certificate: " +
        'unset it, and name the authority that has signed it by TEMPORAL_TLS_SERVER_CA_CERT_PATH, its name by TEMPORAL_TLS_SERVER_NAME.',
    );
}

function readProfile(environment: Environment): ClientConfigProfile {
  const { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: name } = environment;
  // The library ignores a missing file.
  if (file && !existsSync(file))
    throw new SettingError(`TEMPORAL_CONFIG_FILE is ${JSON.stringify(file)}, but there is no such file.`);
  // An empty header removes that of the profile.
  const variables = Object.entries(environment).filter(
    ([variable, value]) =>
      value !== undefined && (value !== '' || variable.startsWith('TEMPORAL_GRPC_META_')),
  );
  try {
    return loadClientConfigProfile({
      disableFile: file === '',
      overrideEnvVars: Object.fromEntries(variables) as Record<string, string>,
    });
  } catch (error) {
    const where = `${name ? `the profile ${JSON.stringify(name)} of ` : ''}${file || "the Temporal CLI's temporal.toml"}`;
    const message = error instanceof Error ? error.message : String(error);
    // The library assumes that the profile exists. Further lines of a TOML error quote the file, which contains keys.
    const [reason = ''] = error instanceof TypeError ? ['it has no profile'] : message.split('\n');
    throw new SettingError(
      `The settings for Temporal can't be read from ${where}: ${reason}. TEMPORAL_CONFIG_FILE and TEMPORAL_PROFILE name the file and the profile.`,
    );
  }
}

function metadataOf({ grpcMeta = {} }: ClientConfigProfile): Record<string, string> {
  // The library replaces only the first underscore by a dash.
  const headers = Object.entries(grpcMeta).map(
    ([name, value]) => [name.replaceAll('_', '-'), value] as const,
  );
  for (const [name, value] of headers) {
    if (!/^[0-9a-z.-]+$/.test(name) || typeof value !== 'string' || !/^[ -~]*$/.test(value))
      throw new SettingError(
        `The header ${JSON.stringify(name)} (TEMPORAL_GRPC_META_*, or grpc_meta of the profile) can't be sent: a name consists of letters, digits and dashes, a value of printable ASCII.`,
      );
  }
  return Object.fromEntries(headers);
}

function checkedAddress(address: string): string {
  if (/^(\[[0-9a-f:]+\]|[\w.-]+)(:\d{1,5})?$/i.test(address)) return address;
  throw new SettingError(
    `The address of Temporal is ${JSON.stringify(address)} (TEMPORAL_ADDRESS, or address of the profile), but must be host and port, such as temporal.example.com:7233.`,
  );
}

function tlsOf(tls: ClientConfigTLS): TlsSettings | undefined {
  if (tls.disabled === true) return undefined;
  const certificate = pem('CLIENT_CERT', tls.clientCert);
  const key = pem('CLIENT_KEY', tls.clientKey);
  const serverAuthority = pem('SERVER_CA_CERT', tls.serverCACert);
  if (serverAuthority !== undefined) parsed('SERVER_CA_CERT', () => new X509Certificate(serverAuthority));
  const { serverName } = tls;
  if (certificate === undefined && key === undefined)
    return { serverAuthority, serverName, client: undefined };
  if (certificate === undefined || key === undefined) {
    const [present, missing]: [Pem, Pem] =
      key === undefined ? ['CLIENT_CERT', 'CLIENT_KEY'] : ['CLIENT_KEY', 'CLIENT_CERT'];
    throw new SettingError(
      `${namesOf(present)} is given without ${namesOf(missing)}: a client certificate needs both.`,
    );
  }
  const own = parsed('CLIENT_CERT', () => new X509Certificate(certificate));
  const ownKey = parsed('CLIENT_KEY', () => createPrivateKey(key));
  if (!own.checkPrivateKey(ownKey))
    throw new SettingError(
      `${namesOf('CLIENT_KEY')} is not the key of the certificate in ${namesOf('CLIENT_CERT')}.`,
    );
  addSecretsOf({ CLIENT_KEY: key.toString() });
  return { serverAuthority, serverName, client: { certificate, key } };
}

type Pem = 'CLIENT_CERT' | 'CLIENT_KEY' | 'SERVER_CA_CERT';

function pem(which: Pem, source: ConfigDataSource | undefined): Buffer | undefined {
  try {
    const bytes = loadConfigData(source);
    return bytes === undefined ? undefined : Buffer.from(bytes);
  } catch (error) {
    throw new SettingError(
      `${namesOf(which)} can't be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function parsed<T>(which: Pem, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const what = which === 'CLIENT_KEY' ? 'private key' : 'certificate';
    throw new SettingError(
      `${namesOf(which)} does not contain a ${what} as PEM without a passphrase (${error instanceof Error ? error.message : String(error)}).`,
    );
  }
}

function namesOf(which: Pem): string {
  const name = which.toLowerCase();
  return `TEMPORAL_TLS_${which}_PATH (or _DATA, or ${name}_path of the profile's tls)`;
}
