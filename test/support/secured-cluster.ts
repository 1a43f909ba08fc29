import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, createAuthority } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import { type ProxiedServer, startAuthenticatingProxy } from './authenticating-proxy.ts';

/** Node prints a warning if the name of a server is an IP address. */
const SERVER_NAME = 'temporal.test';

/** A proxy that authenticates clients of a cluster's server, and a profile of the Temporal CLI that it accepts. */
export interface SecuredCluster extends ProxiedServer {
  /** The authority of the server's certificate and of accepted client certificates. */
  readonly authority: Authority;
  readonly key: string;
  /** The environment that selects the profile and no other connection setting. */
  readonly environment: Readonly<
    Record<'TEMPORAL_CONFIG_FILE' | 'TEMPORAL_PROFILE' | 'SELF_TAUGHT_EVALUATOR_POLICY', string>
  >;
  /** The files that the profile names. */
  readonly files: Readonly<Record<'serverAuthority' | 'clientCertificate' | 'clientKey', string>>;
}

/**
 * Starts a proxy that demands a client certificate and an API key.
 * @param namespace the namespace of the profile
 */
export async function secureCluster(cluster: Cluster, namespace: string): Promise<SecuredCluster> {
  const folder = join(cluster.storeRoot, '..', 'guard');
  const authority = await createAuthority('authority of the test');
  const key = 'the-key-that-nobody-may-see';
  const guard = await startAuthenticatingProxy({
    target: cluster.address,
    identity: await authority.issue('server', {
      usage: 'server',
      names: [
        { type: 'ip', value: '127.0.0.1' },
        { type: 'dns', value: SERVER_NAME },
      ],
    }),
    clientAuthority: authority.certificate,
    keys: [key],
  });
  const client = await authority.issue('client of the test', { usage: 'client' });
  const files = {
    serverAuthority: join(folder, 'authority.pem'),
    clientCertificate: join(folder, 'client.pem'),
    clientKey: join(folder, 'client.key'),
  };
  const profiles = join(folder, 'temporal.toml');
  await mkdir(folder);
  await writeFile(files.serverAuthority, authority.certificate);
  await writeFile(files.clientCertificate, client.certificate);
  await writeFile(files.clientKey, client.key);
  // A JSON string is a valid basic string of TOML.
  const profile = `
[profile.default]
address = "127.0.0.1:1"

[profile.guarded]
address = ${JSON.stringify(guard.address)}
namespace = ${JSON.stringify(namespace)}
api_key = ${JSON.stringify(key)}

[profile.guarded.tls]
server_name = "${SERVER_NAME}"
server_ca_cert_path = ${JSON.stringify(files.serverAuthority)}
client_cert_path = ${JSON.stringify(files.clientCertificate)}
client_key_path = ${JSON.stringify(files.clientKey)}

[profile.guarded.grpc_meta]
team_of_judges = "blue"
`;
  await writeFile(profiles, profile);
  const environment = {
    ...{ TEMPORAL_CONFIG_FILE: profiles, TEMPORAL_PROFILE: 'guarded' },
    SELF_TAUGHT_EVALUATOR_POLICY: 'open',
  };
  return { ...guard, authority, key, environment, files };
}
