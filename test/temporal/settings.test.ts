import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { maskSecrets } from '../../src/platform/secrets.ts';
import { localServerEnvironment, temporalSettings } from '../../src/temporal/settings.ts';
import { createAuthority, type Authority } from '../support/certificates.ts';

describe('the settings of Temporal', () => {
  let folder: string;
  let authority: Authority;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'settings-'));
    authority = await createAuthority('authority');
  });

  after(() => rm(folder, { recursive: true }));

  async function file(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }

  it('are the local server in the namespace default where nothing is set, and empty variables set nothing', () => {
    const unset = {
      namespace: 'default',
      address: undefined,
      apiKey: undefined,
      metadata: {},
      tls: undefined,
      encryptionKeys: [],
    };
    const empty = Object.fromEntries(
      ['ADDRESS', 'NAMESPACE', 'PROFILE', 'API_KEY', 'TLS', 'TLS_CLIENT_CERT_PATH', 'TLS_SERVER_NAME'].map(
        (name) => [`TEMPORAL_${name}`, ''],
      ),
    );
    assert.deepEqual(temporalSettings({ HOME: folder }), unset);
    assert.deepEqual(temporalSettings({ ...empty, TEMPORAL_CONFIG_FILE: '' }), unset);
  });

  it('come from the profile that is named, and each of its fields from a variable before that', async () => {
    const client = await authority.issue('client', { usage: 'client' });
    const profiles = await file(
      'temporal.toml',
      `
[profile.default]
address = "default.example:7233"
[profile.cloud]
address = "cloud.example:7233"
namespace = "judges.abc12"
api_key = "key-of-the-profile"
[profile.cloud.tls]
server_name = "inner.example"
client_cert_path = ${JSON.stringify(await file('client.pem', client.certificate))}
client_key_path = ${JSON.stringify(await file('client.key', client.key))}
[profile.cloud.grpc_meta]
team = "blue"
on_call_now = "ann"
`,
    );
    const environment = { TEMPORAL_CONFIG_FILE: profiles };
    assert.equal(temporalSettings(environment).address, 'default.example:7233');
    const named = { ...environment, TEMPORAL_PROFILE: 'cloud' };
    assert.deepEqual(temporalSettings(named), {
      address: 'cloud.example:7233',
      namespace: 'judges.abc12',
      apiKey: 'key-of-the-profile',
      metadata: { team: 'blue', 'on-call-now': 'ann' },
      tls: {
        serverAuthority: undefined,
        serverName: 'inner.example',
        client: { certificate: Buffer.from(client.certificate), key: Buffer.from(client.key) },
      },
      encryptionKeys: [],
    });
    const changed = temporalSettings({
      ...named,
      TEMPORAL_ADDRESS: 'other.example:7233',
      TEMPORAL_NAMESPACE: 'others',
      TEMPORAL_API_KEY: 'key-of-the-variable',
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: authority.certificate,
      TEMPORAL_TLS_SERVER_NAME: 'outer.example',
      TEMPORAL_GRPC_META_TEAM: '',
      TEMPORAL_GRPC_META_ON_CALL_NOW: 'bob',
    });
    assert.deepEqual(
      [changed.address, changed.namespace, changed.apiKey, changed.metadata],
      ['other.example:7233', 'others', 'key-of-the-variable', { 'on-call-now': 'bob' }],
    );
    assert.equal(changed.tls?.serverName, 'outer.example');
    assert.deepEqual(changed.tls.serverAuthority, Buffer.from(authority.certificate));
    assert(changed.tls.client);
    assert.equal(temporalSettings({ ...named, TEMPORAL_TLS: 'false' }).tls, undefined);
  });

  it('ask for TLS where there is an API key, or TEMPORAL_TLS is true', () => {
    const bare = { serverAuthority: undefined, serverName: undefined, client: undefined };
    assert.deepEqual(temporalSettings({ TEMPORAL_API_KEY: 'key' }).tls, bare);
    assert.deepEqual(temporalSettings({ TEMPORAL_TLS: 'true' }).tls, bare);
  });

  it('of a server on this machine are those alone, whatever variables and profiles say', async () => {
    const profiles = await file('cloud.toml', '[profile.default]\napi_key = "k"\nnamespace = "judges"\n');
    const around = {
      TEMPORAL_CONFIG_FILE: profiles,
      TEMPORAL_NAMESPACE: 'judges',
      TEMPORAL_API_KEY: 'k',
      TEMPORAL_TLS_SERVER_NAME: 'x',
      TEMPORAL_GRPC_META_TEAM: 'blue',
      TEMPORAL_WORKER_BUILD_ID: '7',
      PATH: '/bin',
    };
    const environment = localServerEnvironment('127.0.0.1:7300', around);
    assert.deepEqual(temporalSettings(environment), {
      address: '127.0.0.1:7300',
      namespace: 'default',
      apiKey: undefined,
      metadata: {},
      tls: undefined,
      encryptionKeys: [],
    });
    assert.deepEqual([environment['PATH'], environment['TEMPORAL_WORKER_BUILD_ID']], ['/bin', '7']);
  });

  it('hide their keys in all texts of the process, also those of a profile', async () => {
    const profile = '[profile.default]\naddress = "x:7233"\napi_key = "key-of-the-profile"\n';
    temporalSettings({
      TEMPORAL_CONFIG_FILE: await file('keys.toml', profile),
      TEMPORAL_GRPC_META_X_AUTH_TOKEN: 'token-in-a-header',
    });
    assert.equal(maskSecrets('key-of-the-profile, token-in-a-header'), '[key], [key]');
  });

  describe('that can not be used are refused by name, and no key is shown:', () => {
    const refused = (environment: Record<string, string>, expected: RegExp) =>
      assert.throws(
        () => temporalSettings({ TEMPORAL_CONFIG_FILE: '', ...environment }),
        (error: Error) => {
          assert.equal(error.name, 'SettingError');
          assert.match(error.message, expected);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );

    it('an address that is a URL', () => {
      refused(
        { TEMPORAL_ADDRESS: 'https://temporal.example:7233' },
        /"https:\/\/temporal\.example:7233" \(TEMPORAL_ADDRESS,.*host and port, such as/,
      );
    });

    it('a switch that is neither true nor false, and one that does nothing here', () => {
      refused({ TEMPORAL_TLS: 'yes' }, /TEMPORAL_TLS is "yes", but must be "true" or "false"/);
      refused(
        { TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: 'true' },
        /HOST_VERIFICATION is set.*TEMPORAL_TLS_SERVER_CA_CERT_PATH.*TEMPORAL_TLS_SERVER_NAME/,
      );
    });

    it('a key with a line break, and a header that can not be sent', () => {
      refused({ TEMPORAL_API_KEY: 'secret\n' }, /API key .*TEMPORAL_API_KEY.*copy it again/);
      refused({ TEMPORAL_GRPC_META_TOKEN: 'secret\n' }, /header "token" \(TEMPORAL_GRPC_META_\*/);
      refused({ 'TEMPORAL_GRPC_META_A B': 'secret' }, /header "a b"/);
    });

    it('a file of profiles that is missing, has no such profile, or is no TOML', async () => {
      const missing = join(folder, 'missing.toml');
      refused({ TEMPORAL_CONFIG_FILE: missing }, /missing\.toml", but there is no such file/);
      const broken = await file('broken.toml', '[profile.default]\napi_key = "secret\naddress = "x"\n');
      refused(
        { TEMPORAL_CONFIG_FILE: broken },
        /can't be read from .*broken\.toml: Invalid TOML document: [^\n]*$/,
      );
      const other = await file('other.toml', '[profile.default]\napi_key = "secret"\n');
      refused(
        { TEMPORAL_CONFIG_FILE: other, TEMPORAL_PROFILE: 'cloud' },
        /from the profile "cloud" of .*other\.toml: Profile 'cloud' not found/,
      );
      refused({ TEMPORAL_CONFIG_FILE: await file('empty.toml', '') }, /empty\.toml: it has no profile/);
    });

    it('a certificate without its key, with that of another one, or a file that holds none', async () => {
      const one = await authority.issue('one', { usage: 'client' });
      const other = await authority.issue('other', { usage: 'client' });
      const certificate = { TEMPORAL_TLS_CLIENT_CERT_DATA: one.certificate };
      refused(certificate, /TEMPORAL_TLS_CLIENT_CERT_PATH .* is given without TEMPORAL_TLS_CLIENT_KEY_PATH/);
      refused(
        { TEMPORAL_TLS_CLIENT_KEY_DATA: one.key },
        /TEMPORAL_TLS_CLIENT_KEY_PATH .* is given without TEMPORAL_TLS_CLIENT_CERT_PATH/,
      );
      refused(
        { ...certificate, TEMPORAL_TLS_CLIENT_KEY_DATA: other.key },
        /TEMPORAL_TLS_CLIENT_KEY_PATH .* is not the key of the certificate/,
      );
      refused(
        { ...certificate, TEMPORAL_TLS_CLIENT_KEY_DATA: 'secret' },
        /TEMPORAL_TLS_CLIENT_KEY_PATH .* does not contain a private key as PEM/,
      );
      refused(
        { TEMPORAL_TLS_SERVER_CA_CERT_DATA: 'x' },
        /SERVER_CA_CERT_PATH .* does not contain a certificate as PEM/,
      );
      refused(
        { TEMPORAL_TLS_SERVER_CA_CERT_PATH: join(folder, 'none.pem') },
        /SERVER_CA_CERT_PATH .* can't be read: ENOENT.*none\.pem/,
      );
    });
  });
});
