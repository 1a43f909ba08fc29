import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freeServerPorts } from '../../../tools/setup/free-ports.ts';
import type { Finding } from '../../../src/cli/doctor/finding.ts';
import { listPollers } from '../../../src/temporal/pollers.ts';
import type { ConfigurationInput } from '../../../src/client/index.ts';
import { ROLES } from '../../../src/api/task-queues.ts';
import { startLocalHub } from '../../support/local-hub.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../../support/cluster.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { scriptedAnswers, tinyConfiguration } from '../../support/tiny-run.ts';
import { runBin } from '../../support/run-cli.ts';

interface Examined {
  readonly code: number | null;
  readonly ok: boolean;
  readonly of: (what: string) => Finding | undefined;
}

describe('doctor', function () {
  this.timeout(300_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function doctor(args: string[], environment: NodeJS.ProcessEnv): Promise<Examined> {
    const { code, out, err } = await runBin(['doctor', ...args, '--json'], environment);
    assert.equal(err, '');
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
    return { code, ok, of: (what) => findings.find((finding) => finding.check === what) };
  }

  describe('without any installation or server', () => {
    let cache: string;
    let nothing: NodeJS.ProcessEnv;

    before(async () => {
      cache = join(folder, 'cache');
      const { grpc, ui } = await freeServerPorts();
      nothing = {
        SELF_TAUGHT_EVALUATOR_CACHE: cache,
        SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'store'),
        SELF_TAUGHT_EVALUATOR_TEMPORAL: undefined,
        SELF_TAUGHT_EVALUATOR_PYTHON: undefined,
        SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: String(grpc),
        SELF_TAUGHT_EVALUATOR_UI_PORT: String(ui),
        TEMPORAL_ADDRESS: undefined,
        HF_ENDPOINT: 'http://127.0.0.1:1',
        // Hides the Temporal CLI and nvidia-smi of this machine.
        PATH: '/usr/bin:/bin',
      };
    });

    it('names everything that is missing with how to fix it, and creates nothing', async () => {
      const embedded = join(packageRoot, 'temporal', 'inputs', 'embedded.json');
      const { code, ok, of } = await doctor([embedded], nothing);
      assert.deepEqual([code, ok], [1, false]);
      // Its command begins with Python, whose absence is a finding of its own.
      assert.equal(of('configuration')?.status, 'ok');
      for (const what of ['Temporal CLI', 'Python', 'server']) {
        assert.equal(of(what)?.status, 'missing', what);
        assert.match(
          of(what)?.fix ?? '',
          /self-taught-evaluator setup" installs it|self-taught-evaluator temporal/,
        );
      }
      assert.match(of('cache')?.detail ?? '', /cache, does not exist yet, [\d.]+ GB free$/);
      assert.match(of('store')?.detail ?? '', /store, does not exist yet, [\d.]+ GB free$/);
      assert.equal(of('hub')?.status, 'note');
      assert.match(of('hub')?.detail ?? '', /^http:\/\/127\.0\.0\.1:1 can't be reached/);
      assert.equal(of('GPU')?.status, 'note');
      assert.equal(of(`port ${nothing['SELF_TAUGHT_EVALUATOR_UI_PORT']}`)?.status, 'ok');
      assert.deepEqual(await readdir(folder), []);
    });

    it('prints the findings as text, with what is missing at the end', async () => {
      const { code, out, err } = await runBin(['doctor'], nothing);
      assert.deepEqual([code, err], [1, '']);
      assert.match(out, /^This machine\n {2}✓ Node +\d+\./);
      assert.match(
        out,
        /^ {2}✗ Python +no environment at .*\n +"npx self-taught-evaluator setup" installs it/m,
      );
      assert.match(out, /\n3 things are missing: Temporal CLI, Python, server\.\n$/);
    });

    it('reports a port in use, a variable that names no program, and a store that is not a folder', async () => {
      const server = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      assert(typeof address === 'object' && address !== null);
      await writeFile(join(folder, 'file'), '');
      try {
        const { of } = await doctor([], {
          ...nothing,
          SELF_TAUGHT_EVALUATOR_UI_PORT: String(address.port),
          SELF_TAUGHT_EVALUATOR_PYTHON: join(folder, 'file'),
          SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'file', 'store'),
        });
        const port = of(`port ${address.port}`);
        assert.equal(port?.status, 'missing');
        assert.match(
          port?.fix ?? '',
          new RegExp(`temporal --ui-port ${address.port + 1}, or set SELF_TAUGHT_EVALUATOR_UI_PORT`),
        );
        assert.match(
          of('Python')?.detail ?? '',
          /SELF_TAUGHT_EVALUATOR_PYTHON names .*file, which is not a program/,
        );
        assert.deepEqual(
          [of('store')?.status, of('store')?.detail],
          ['missing', `${join(folder, 'file')} is not a folder`],
        );
      } finally {
        server.close();
        await rm(join(folder, 'file'));
      }
    });

    it('names a profile of Temporal that can’t be read, and does not print its keys', async () => {
      const file = join(folder, 'temporal.toml');
      await writeFile(file, '[profile.default]\napi_key = "sk-secret"\nnamespace = ns.acct\n');
      try {
        const profile = { TEMPORAL_CONFIG_FILE: file };
        const { code, of } = await doctor([], { ...nothing, ...profile });
        assert.equal(code, 1);
        assert.match(
          of('server')?.detail ?? '',
          /^The settings for Temporal can't be read from .*temporal\.toml/,
        );
        const { out, err } = await runBin(['doctor'], { ...nothing, ...profile });
        assert(!`${out}${err}`.includes('sk-secret'));
      } finally {
        await rm(file);
      }
    });

    it('lists each GPU', async () => {
      const bin = join(folder, 'bin');
      await mkdir(bin);
      const line = 'NVIDIA H100 80GB HBM3, 81559 MiB, 4 MiB, 550.54.15';
      await writeFile(join(bin, 'nvidia-smi'), `#!/bin/sh\nprintf '%s\\n' '${line}' '${line}'\n`);
      await chmod(join(bin, 'nvidia-smi'), 0o755);
      const { of } = await doctor([], { ...nothing, PATH: `${bin}${delimiter}${nothing['PATH']}` });
      const gpu = 'NVIDIA H100 80GB HBM3, 81559 MiB (4 MiB in use), driver 550.54.15';
      assert.deepEqual(of('GPU'), {
        subject: 'This machine',
        check: 'GPU',
        status: 'ok',
        detail: `${gpu}; ${gpu}`,
      });
    });
  });

  describe('with a server', () => {
    let cluster: Cluster;
    let endpoint: ScriptedEndpoint;
    let here: NodeJS.ProcessEnv;
    /** A valid evaluation; it needs no trainer, which would take long to check. */
    let evaluation: string;

    before(async () => {
      cluster = await startCluster();
      endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
      evaluation = await file('evaluation.json', evaluationOf(tinyConfiguration('tiny', endpoint.baseUrl)));
      here = {
        TEMPORAL_ADDRESS: cluster.address,
        SELF_TAUGHT_EVALUATOR_STORE: cluster.storeRoot,
        SELF_TAUGHT_EVALUATOR_CACHE: join(folder, 'no-cache'),
        HF_ENDPOINT: endpoint.baseUrl,
        // Another cache does not have the proof that the server is this checkout's.
        SELF_TAUGHT_EVALUATOR_POLICY: 'open',
      };
    });

    after(async () => {
      await cluster.close();
      await endpoint.close();
    });

    async function file(name: string, content: object): Promise<string> {
      await writeFile(join(folder, name), JSON.stringify(content));
      return join(folder, name);
    }

    const evaluationOf = ({ serving, evaluation: benchmarks }: ConfigurationInput) => ({
      runName: 'evaluated',
      serving,
      evaluation: benchmarks,
    });

    it('reports the device of the trainer, and the roles without a worker', async () => {
      const { code, of } = await doctor([], here);
      assert.equal(code, 1);
      assert.match(of('server')?.detail ?? '', new RegExp(`^${cluster.address}, version 1\\.\\d+`));
      assert.equal(of('search attributes')?.status, 'ok');
      assert.match(of('trainer')?.detail ?? '', /^starts, and trains on /);
      for (const role of ['workflow', 'inference', 'gpu']) {
        assert.equal(of(`workers: ${role}`)?.status, 'missing');
        assert.match(of(`workers: ${role}`)?.fix ?? '', new RegExp(`worker --roles ${role};`));
      }
      assert.equal(of('port 7233'), undefined);
    });

    it('reports nothing as missing if a worker has every role, not even what is only needed without one', async () => {
      const worker = cluster.startWorker();
      for (const role of ROLES)
        while ((await listPollers(cluster.client, role, cluster.taskQueue)).length === 0) await sleep(200);
      const { code, ok, of } = await doctor([evaluation], {
        ...here,
        SELF_TAUGHT_EVALUATOR_PYTHON: undefined,
      });
      assert.deepEqual([code, ok], [0, true]);
      assert.match(
        of('workers: gpu')?.detail ?? '',
        new RegExp(`^${worker.child.pid}@.* on the queue self-taught-evaluator-gpu$`),
      );
      assert.equal(of('Python')?.status, 'note');
      assert.match(
        of('configuration')?.detail ?? '',
        /evaluation\.json: fields, files, endpoints and commands are valid on this machine$/,
      );
      const elsewhere = await doctor(['--task-queue', 'another', evaluation], here);
      assert.equal(elsewhere.code, 1);
      assert.match(elsewhere.of('workers: gpu')?.detail ?? '', /none listens on the queue another-gpu$/);
    });

    it('says which policy a worker would have, and what it forbids of a configuration', async () => {
      const own = await doctor([], {
        ...here,
        SELF_TAUGHT_EVALUATOR_CACHE: undefined,
        SELF_TAUGHT_EVALUATOR_POLICY: undefined,
      });
      assert.match(own.of('policy')?.detail ?? '', /^open at the Temporal server that this checkout starts/);
      const policy = await file('policy.json', { endpoints: ['api.example.com'] });
      const strict = await doctor([evaluation, '--policy', policy], here);
      assert.match(strict.of('policy')?.detail ?? '', /^strict, with what \/.*policy\.json names$/);
      assert.match(
        strict.of('serving.baseUrl')?.detail ?? '',
        /does not allow requests to 127\.0\.0\.1:\d+: add "127\.0\.0\.1:\d+" to endpoints of the policy file$/,
      );
      const unproven = await doctor([], { ...here, SELF_TAUGHT_EVALUATOR_POLICY: undefined });
      assert.match(unproven.of('policy')?.detail ?? '', /^strict, with what every worker allows/);
    });

    it('names missing search attributes with the commands that add them, and a namespace that does not exist', async () => {
      await cluster.cli('operator', 'namespace', 'create', '--namespace', 'bare');
      const namespace = (name: string) => doctor([evaluation], { ...here, TEMPORAL_NAMESPACE: name });
      let bare = await namespace('bare');
      // The server needs a moment until a new namespace is usable.
      while (bare.of('search attributes') === undefined) bare = await namespace('bare');
      assert.equal(bare.of('search attributes')?.status, 'note');
      assert.match(
        bare.of('search attributes')?.fix ?? '',
        /^temporal operator search-attribute create --namespace bare --name EvaluatorStatus --type Keyword$/m,
      );
      const none = await namespace('none');
      assert.equal(none.code, 1);
      assert.match(none.of('server')?.detail ?? '', /has no namespace "none"$/);
      assert.match(none.of('server')?.fix ?? '', /temporal operator namespace create --namespace none"\.$/);
    });

    it('names the problems of a configuration: fields, files, endpoints and the hub', async () => {
      const hub = await startLocalHub({ name: 'me/pool', commit: 'a'.repeat(40), branch: 'main', files: {} });
      try {
        const tiny = tinyConfiguration('tiny', 'http://127.0.0.1:1/v1');
        const pool = ['none.jsonl', `hf://datasets/me/other@main/x.jsonl`];
        const wrong = await file('wrong.json', {
          ...tiny,
          iterations: 0,
          instructions: { ...tiny.instructions, pool },
        });
        // Without Python the trainer is not checked.
        const { code, of } = await doctor([wrong], {
          ...here,
          HF_ENDPOINT: hub.url,
          SELF_TAUGHT_EVALUATOR_PYTHON: undefined,
        });
        assert.equal(code, 1);
        assert.match(of('iterations')?.detail ?? '', /found 0$/);
        assert.match(of('iterations')?.fix ?? '', /^Correct iterations in \/.*wrong\.json/);
        assert.match(of('instructions.pool.0')?.detail ?? '', /no such file or folder: \/.*none\.jsonl/);
        assert.match(of('instructions.pool.1')?.detail ?? '', /me\/other/);
        assert.match(of('serving')?.detail ?? '', /127\.0\.0\.1:1/);
        assert.equal(of('evaluation.benchmarks.0.path'), undefined);

        const judge = { ...evaluationOf(tiny), model: { checkpoint: 'run:nobody/best' } };
        const evaluated = await doctor([await file('nobody.json', judge)], here);
        assert.match(evaluated.of('model.checkpoint')?.detail ?? '', /no run "nobody" in the store/);
        assert.equal(evaluated.of('serving')?.status, 'missing');
      } finally {
        await hub.close();
      }
    });
  });
});
