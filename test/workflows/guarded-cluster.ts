import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, createAuthority } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import { type Guard, startGuard } from './guarded-server.ts';

/** Node complains where the name of a server is an IP address. */
const SERVER_NAME = 'temporal.test';

/** A guard in front of a cluster's server, and a profile of the Temporal CLI that gets through it. */
export interface GuardedCluster extends Guard {
  /** It has signed the server's certificate, and those of clients that are let in. */
  readonly authority: Authority;
  readonly key: string;
  /** What a process needs in its environment to take the profile, and nothing else of how to connect. */
  readonly environment: Readonly<Record<'TEMPORAL_CONFIG_FILE' | 'TEMPORAL_PROFILE', string>>;
  /** The files that the profile names. */
  readonly files: Readonly<Record<'serverAuthority' | 'clientCertificate' | 'clientKey', string>>;
}

/**
 * Demands a client certificate and an API key of everybody who comes to the cluster's server by it.
 * @param namespace that of the profile
 */
export async function guardCluster(cluster: Cluster, namespace: string): Promise<GuardedCluster> {
  const folder = join(cluster.storeRoot, '..', 'guard');
  const authority = await createAuthority('authority of the test');
  const key = 'the-key-that-nobody-may-see';
  const guard = await startGuard({
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
  // TOML's basic strings are written as JSON's.
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
  const environment = { TEMPORAL_CONFIG_FILE: profiles, TEMPORAL_PROFILE: 'guarded' };
  return { ...guard, authority, key, environment, files };
}
