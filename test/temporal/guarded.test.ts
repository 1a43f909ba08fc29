import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { freePorts } from '../../src/platform/ports.ts';
import { startRun } from '../../src/client/index.ts';
import { SettingError } from '../../src/platform/setting-error.ts';
import { connectToServer } from '../../src/temporal/connect.ts';
import { localServerEnvironment, temporalSettings } from '../../src/temporal/settings.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { filesWith } from '../support/files-with.ts';
import { createAuthority, type Identity } from '../support/certificates.ts';
import { type Cluster, startCluster, type WorkerProcess } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { type SecuredCluster, secureCluster } from '../support/secured-cluster.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

const NAMESPACE = 'judges';
const EXPIRING_KEY = 'the-key-that-expires';

interface Ended {
  readonly code: number | null;
  readonly said: string;
  readonly seconds: number;
}

describe('a Temporal server that demands client certificates and an API key', function () {
  this.timeout(360_000);
  let cluster: Cluster;
  let guard: SecuredCluster;
  let endpoint: ScriptedEndpoint;
  /** A worker whose key expires while it works. */
  let expiring: WorkerProcess;
  /** What the cluster's workers see beside the environment of this process. */
  const environment: Record<string, string> = {};

  before(async () => {
    cluster = await startCluster(undefined, environment);
    const { workflowService } = cluster.client;
    // As an operator makes one: without our search attributes.
    await workflowService.registerNamespace({
      namespace: NAMESPACE,
      workflowExecutionRetentionPeriod: msToTs('1 day'),
    });
    for (;;) {
      // The services learn of it a little later.
      const known = await workflowService
        .listWorkflowExecutions({ namespace: NAMESPACE })
        .catch(() => undefined);
      if (known !== undefined) break;
      await sleep(100);
    }
    guard = await secureCluster(cluster, NAMESPACE);
    Object.assign(environment, { TEMPORAL_ADDRESS: '', ...guard.environment });
    endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
    guard.keys.add(EXPIRING_KEY);
    environment['TEMPORAL_API_KEY'] = EXPIRING_KEY;
    expiring = cluster.startWorker('--task-queue', 'expiring');
    delete environment['TEMPORAL_API_KEY'];
    while (!expiring.log().includes('worker with roles')) await sleep(100);
    guard.forget(EXPIRING_KEY);
  });

  after(async () => {
    await cluster.stopWorkers();
    await guard.close();
    await cluster.close();
    await endpoint.close();
  });

  /** A command in a process of its own, to its end. */
  async function script(name: 'worker' | 'follow', args: string[], env: NodeJS.ProcessEnv): Promise<Ended> {
    const began = performance.now();
    const child = spawn(process.execPath, [join(packageRoot, 'src', 'cli', 'main.ts'), name, ...args], {
      cwd: packageRoot,
      env: { ...localServerEnvironment('', process.env), ...guard.environment, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // A worker that gets through would stay.
    const killer = setTimeout(() => child.kill('SIGKILL'), 170_000);
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    clearTimeout(killer);
    return { code: child.exitCode, said: out + err, seconds: (performance.now() - began) / 1000 };
  }

  const temporalOf = (env: NodeJS.ProcessEnv = {}) => temporalSettings({ ...guard.environment, ...env });

  it('completes a run in a namespace without search attributes, and every call carries key and certificate', async () => {
    const worker = cluster.startWorker();
    const connection = await connectToServer(temporalOf({ TEMPORAL_GRPC_META_SHIFT_OF_WORK: 'night' }));
    try {
      const client = new Client({ connection, namespace: NAMESPACE });
      const run = await startRun(client, tinyConfiguration('guarded', endpoint.baseUrl));
      const followed = await script('follow', ['guarded'], {});
      assert.equal(followed.code, 0, followed.said + worker.log());
      assert.match(followed.said, /Report: /);
      assert.equal((await run.result()).iterations.length, 2);
    } finally {
      await connection.close();
    }
    assert.match(
      worker.log(),
      /runs can't be searched by EvaluatorRun, .*the namespace judges lacks these search attributes.*\n {2}temporal operator search-attribute create --namespace judges --name EvaluatorRun --type Keyword\n/,
    );
    const calls = guard.calls.filter(({ headers }) => headers.authorization !== `Bearer ${EXPIRING_KEY}`);
    assert(calls.length > 100);
    for (const { headers, client } of calls) {
      assert.equal(headers.authorization, `Bearer ${guard.key}`);
      assert.equal(headers['team-of-judges'], 'blue');
      assert.equal(client, 'client of the test');
    }
    assert(calls.some(({ headers }) => headers['shift-of-work'] === 'night'));
    assert(!worker.log().includes(guard.key));
    assert.notDeepEqual(filesWith(cluster.storeRoot, 'guarded'), []);
    assert.deepEqual(filesWith(cluster.storeRoot, guard.key), []);
  });

  /** What is wrong in each case, beside a profile that gets through, and what must be said of it. */
  const cases: Record<string, { environment: () => Promise<NodeJS.ProcessEnv>; says: RegExp }> = {
    'a client certificate from an authority that the server does not know': {
      environment: async () =>
        clientCertificate(await (await createAuthority('stranger')).issue('someone', { usage: 'client' })),
      says: /does not accept the client certificate \(CN=someone, signed by CN=stranger; .*TEMPORAL_TLS_CLIENT_CERT_PATH/,
    },
    'a client certificate that has expired': {
      environment: async () =>
        clientCertificate(await guard.authority.issue('late', { usage: 'client', days: -1 })),
      says: /does not accept the client certificate \(CN=late, .*\): it expired on .*Renew it.*TEMPORAL_TLS_CLIENT_KEY_PATH/,
    },
    'an API key that has expired': {
      environment: () => Promise.resolve({ TEMPORAL_API_KEY: 'the-key-of-yesterday' }),
      says: /rejects the API key \(TEMPORAL_API_KEY, .*expires\): Jwt is expired/,
    },
    'a namespace that is not there': {
      environment: () => Promise.resolve({ TEMPORAL_NAMESPACE: 'nowhere' }),
      says: /has no namespace "nowhere": set TEMPORAL_NAMESPACE/,
    },
    'a server that is not there': {
      environment: async () => ({ TEMPORAL_ADDRESS: `127.0.0.1:${(await freePorts(1))[0]}` }),
      says: /No Temporal server answers at 127\.0\.0\.1:\d+ \(no program listens there\): start one.*TEMPORAL_ADDRESS/,
    },
  };

  function clientCertificate({ certificate, key }: Identity): NodeJS.ProcessEnv {
    // Data instead of the profile's files would be both at once.
    const path = (name: string) => join(guard.files.clientKey, '..', name);
    writeFileSync(path('other.pem'), certificate);
    writeFileSync(path('other.key'), key);
    return {
      TEMPORAL_TLS_CLIENT_CERT_PATH: path('other.pem'),
      TEMPORAL_TLS_CLIENT_KEY_PATH: path('other.key'),
    };
  }

  for (const [what, { environment: environmentOf, says }] of Object.entries(cases)) {
    it(`with ${what}: the commands worker and follow report it at once, with exit code 4`, async () => {
      const wrong = await environmentOf();
      for (const [name, args] of [
        ['worker', ['--store', cluster.storeRoot]],
        ['follow', ['any']],
      ] as const) {
        const { code, said, seconds } = await script(name, [...args], wrong);
        assert.equal(code, 4, said);
        assert.match(said, says, name);
        // The message alone.
        assert.doesNotMatch(said, /\n {4}at /);
        assert(!said.includes(guard.key) && !said.includes('the-key-of-yesterday'));
        assert(seconds < 30, `${name} took ${seconds} s`);
      }
    });
  }

  it('makes the client report each other problem of the connection', async () => {
    const { address } = guard;
    const { serverAuthority } = guard.files;
    const stranger = join(serverAuthority, '..', 'stranger.pem');
    writeFileSync(stranger, (await createAuthority('stranger')).certificate);
    const bare = { TEMPORAL_CONFIG_FILE: '', TEMPORAL_PROFILE: '', TEMPORAL_ADDRESS: address };
    const trusting = { ...bare, TEMPORAL_TLS_SERVER_CA_CERT_PATH: serverAuthority };
    const problems: [NodeJS.ProcessEnv, RegExp][] = [
      [bare, /only accepts TLS: set TEMPORAL_TLS=true/],
      [trusting, /rejects a client without a certificate .*TEMPORAL_TLS_CLIENT_CERT_PATH/],
      [
        { TEMPORAL_API_KEY: '', TEMPORAL_CONFIG_FILE: withoutKey() },
        /rejects the client certificate .*, or calls without an API key/,
      ],
      [
        { TEMPORAL_TLS_SERVER_CA_CERT_PATH: stranger },
        /authority that this machine does not trust .*SERVER_CA_CERT_PATH/,
      ],
      [
        { TEMPORAL_TLS_SERVER_NAME: 'other.example' },
        /a certificate for another name .*TEMPORAL_TLS_SERVER_NAME/,
      ],
      [{ TEMPORAL_ADDRESS: cluster.address }, /does not use TLS: set TEMPORAL_TLS=false/],
      [{ TEMPORAL_ADDRESS: 'no-such-host.invalid:7233' }, /this machine can't resolve the host name/],
    ];
    const found = await Promise.all(
      problems.map(([environment]) =>
        connectToServer(temporalOf(environment)).catch((error: unknown) => error),
      ),
    );
    found.forEach((error, index) => {
      assert(error instanceof SettingError, String(error));
      assert.match(error.message, problems[index]![1]);
    });
  });

  /** The profile without its key. */
  function withoutKey(): string {
    const file = join(guard.files.clientKey, '..', 'keyless.toml');
    writeFileSync(
      file,
      readFileSync(guard.environment.TEMPORAL_CONFIG_FILE, 'utf8').replace(/api_key.*/, ''),
    );
    return file;
  }

  it('makes a running worker end once its key has expired', async () => {
    const { child } = expiring;
    // The SDK takes a refusal for final after a minute.
    if (child.exitCode === null) await once(child, 'exit');
    assert.equal(child.exitCode, 4, expiring.log());
    assert.match(expiring.log(), /The Temporal server at .* rejects the API key .*: Jwt is expired\.\n$/);
    assert(!expiring.log().includes(EXPIRING_KEY));
  });
});
