import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { callApi } from '../../../../src/models/training/launchers/kubernetes-api.ts';
import {
  connect,
  type ConnectOptions,
} from '../../../../src/models/training/launchers/kubernetes-connection.ts';
import { LauncherUnavailable } from '../../../../src/models/training/launchers/launcher.ts';
import { startKubernetesApi, type KubernetesApi } from '../../../support/kubernetes-api.ts';

describe('the connection to Kubernetes', () => {
  let api: KubernetesApi;
  let folder: string;
  before(async () => {
    api = await startKubernetesApi();
    folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  });
  after(async () => {
    await api.close();
    await rm(folder, { recursive: true });
  });

  async function read(options: Partial<ConnectOptions>) {
    const connection = await connect({ context: null, ...options });
    const path = `/api/v1/namespaces/${connection.namespace}/pods`;
    return callApi(connection, path, z.object({ items: z.array(z.unknown()) }));
  }

  it('authenticates as the user of a kubeconfig, with its namespace and certificate authority', async () => {
    const KUBECONFIG = await api.writeKubeconfig();
    assert.deepEqual(await read({ environment: { KUBECONFIG } }), { items: [] });
    assert.deepEqual(await read({ environment: { KUBECONFIG }, context: 'test' }), { items: [] });
    await assert.rejects(
      read({ environment: { KUBECONFIG }, context: 'other' }),
      /there is no context other/,
    );
  });

  it('takes each entry from the first of several files that has it', async () => {
    const first = join(folder, 'first');
    await writeFile(first, 'current-context: test\ncontexts: []\n');
    const KUBECONFIG = [join(folder, 'missing'), first, await api.writeKubeconfig()].join(':');
    assert.deepEqual(await read({ environment: { KUBECONFIG } }), { items: [] });
  });

  it('reads a token again that was renewed in its file', async () => {
    const tokenFile = join(folder, 'token');
    const KUBECONFIG = await api.writeKubeconfig({ tokenFile }, 'renewed');
    await writeFile(tokenFile, 'expired\n');
    await assert.rejects(read({ environment: { KUBECONFIG } }), { name: 'KubernetesRefused' });
    await writeFile(tokenFile, `${api.token}\n`);
    assert.deepEqual(await read({ environment: { KUBECONFIG } }), { items: [] });
  });

  it('asks a program for credentials, and keeps them until they expire', async () => {
    const command = join(folder, 'login');
    const calls = join(folder, 'calls');
    const answer = (end: string) => `{"status": {"token": "${api.token}", "expirationTimestamp": "${end}"}}`;
    const program = (end: string) =>
      writeFile(command, `#!/bin/sh\necho "$1 $REGION" >> ${calls}\necho '${answer(end)}'\n`);
    const exec = {
      ...{ apiVersion: 'client.authentication.k8s.io/v1', command, args: ['get-token'] },
      env: [{ name: 'REGION', value: 'north' }],
    };
    const KUBECONFIG = await api.writeKubeconfig({ exec }, 'exec');
    await assert.rejects(read({ environment: { KUBECONFIG } }), (error: Error) => {
      assert.match(error.message, /login gave no credentials for Kubernetes: .*ENOENT/);
      return error instanceof LauncherUnavailable;
    });
    await program('2020-01-01T00:00:00Z');
    await chmod(command, 0o755);
    for (const end of ['2020-01-01T00:00:00Z', '2999-01-01T00:00:00Z', '2999-01-01T00:00:00Z', '']) {
      await program(end);
      assert.deepEqual(await read({ environment: { KUBECONFIG } }), { items: [] });
    }
    assert.equal(await readFile(calls, 'utf8'), 'get-token north\n'.repeat(2));
  });

  it('uses the service account of a pod if there is no kubeconfig', async () => {
    const { port } = new URL(api.address);
    const environment = {
      ...{ HOME: folder, KUBERNETES_SERVICE_HOST: 'localhost', KUBERNETES_SERVICE_PORT: port },
    };
    for (const [name, content] of [
      ['namespace', 'judges'],
      ['token', api.token],
      ['ca.crt', api.certificate],
    ] as const)
      await writeFile(join(folder, name), content);
    const options = { environment, serviceAccountFolder: folder };
    assert.deepEqual(await read(options), { items: [] });
    await assert.rejects(read({ ...options, context: 'test' }), /there is no kubeconfig with contexts/);
    await assert.rejects(read({ environment: { HOME: folder } }), /there is no Kubernetes: KUBECONFIG/);
  });

  it('does not trust a server of another certificate authority', async () => {
    const other = await startKubernetesApi();
    try {
      const { port } = new URL(api.address);
      const environment = {
        ...{ HOME: folder, KUBERNETES_SERVICE_HOST: 'localhost', KUBERNETES_SERVICE_PORT: port },
      };
      await writeFile(join(folder, 'ca.crt'), other.certificate);
      await assert.rejects(read({ environment, serviceAccountFolder: folder }), (error: Error) => {
        assert.match(error.message, /does not answer at https:\S+: .*certificate/);
        return error instanceof LauncherUnavailable;
      });
    } finally {
      await other.close();
    }
  });

  it('names a file that is no kubeconfig', async () => {
    const KUBECONFIG = join(folder, 'broken');
    await writeFile(KUBECONFIG, 'clusters: 7\n');
    await assert.rejects(
      read({ environment: { KUBECONFIG } }),
      new RegExp(`${KUBECONFIG} is no kubeconfig: .*expected array`),
    );
  });
});
