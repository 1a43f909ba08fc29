import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { slurmDriver } from '../../../../src/models/serving/drivers/slurm.ts';
import { ServerFailed } from '../../../../src/models/serving/errors.ts';
import { openServerRegistry } from '../../../../src/models/serving/server-registry.ts';
import { createServerSupervisor, type ServerSupervisor } from '../../../../src/models/serving/supervisor.ts';
import { startSlurm, whyNoSlurm, type SlurmCluster, type SlurmNode } from '../../../support/slurm.ts';

const fakeServer = fileURLToPath(import.meta.resolve('../fake-server.ts'));
type Settings = Record<string, unknown>;

describe('a model server as a job of Slurm', function () {
  this.timeout(600_000);
  let slurm: SlurmCluster;
  let folder: string;
  let stateFolder: string;
  let supervisors: ServerSupervisor[] = [];

  before(async function () {
    const reason = whyNoSlurm();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    slurm = await startSlurm();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slurm-serving-'));
    stateFolder = join(folder, 'state');
    supervisors = [];
  });
  afterEach(async () => {
    for (const each of supervisors) await each.close();
    await supervisors[0]?.stopAll();
    await slurm.run('scancel', '--user=root');
    await eventually(async () => (await jobs()).length === 0);
    await rm(folder, { recursive: true, force: true });
  });
  after(() => slurm?.close());

  it('serves at an address of this machine, is shared, and ends with its last owner', async () => {
    const { serve, stopServing } = supervisor();
    const served = await serve({});
    assert.match(await ask(served), /^seed-0 from \d+$/);
    assert.equal(await serve({}), served);
    assert.equal((await jobs()).length, 1);
    // Another worker of this machine finds it.
    assert.equal(await supervisor().serve({}), served);
    await stopServing('run');
    await eventually(async () => (await jobs()).length === 0);
  });

  it('listens on another port of its node if another program has the first', async () => {
    const earlier = Number(await slurm.run('sbatch', '--parsable', '--output=/dev/null', '--wrap=true'));
    const taken = createServer().listen(20_000 + ((earlier + 1) % 10_000), '127.0.0.1');
    // Perhaps a program of another test has it.
    await once(taken, 'listening').catch((error: NodeJS.ErrnoException) =>
      assert.equal(error.code, 'EADDRINUSE'),
    );
    assert.match(await ask(await supervisor().serve({})), /^seed-0 from/);
    taken.close();
  });

  it('is served again under the same address on another node when its node is lost', async () => {
    const { serve } = supervisor();
    const baseUrl = await serve({});
    const [job] = await jobs();
    await slurm.killNode(job!.node as SlurmNode);
    await eventually(async () => (await jobs()).some(({ node }) => node !== job!.node && node !== ''));
    await eventually(async () => (await ask(baseUrl)).startsWith('seed-0 from'));
    await slurm.startNode(job!.node as SlurmNode);
  });

  it('is replaced when it hangs, and leaves no second job', async () => {
    const { serve } = supervisor();
    const baseUrl = await serve({});
    const before = await ask(baseUrl);
    const [job] = await jobs();
    await fetch(baseUrl.replace('/v1', '/control/hang'), { method: 'POST' });
    await eventually(async () => {
      const now = await ask(baseUrl);
      return now !== '' && now !== before;
    });
    await eventually(async () => (await jobs()).length === 1);
    assert.notEqual((await jobs())[0]!.id, job!.id);
  });

  it('says why it waits in the queue, and while the controller is down', async () => {
    const { serve } = supervisor();
    const blocker = await slurm.run(
      'sbatch',
      ...['--parsable', '--output=/dev/null', '--nodes=2', '--exclusive'],
      '--wrap=sleep 1000',
    );
    await eventually(async () => (await jobs())[0]?.node !== '');
    const reasons = new Set<string>();
    const served = serve({ options: ['--exclusive'] }, (reason) => reasons.add(reason ?? ''));
    await eventually(() => [...reasons].some((reason) => /^Slurm job \d+ is PENDING: \w+$/.test(reason)));
    const name = await slurm.run('squeue', '-h', '--states=PENDING', '-o', '%j');
    assert.match(name, /^self-taught-evaluator-\w+$/);
    await eventually(() => slurm.hasSaved(name));
    await slurm.killController();
    await eventually(() => [...reasons].some((reason) => /Unable to contact slurm controller/.test(reason)));
    await slurm.startController();
    await slurm.run('scancel', blocker);
    assert.match(await ask(await served), /^seed-0 from/);
  });

  it("fails in Slurm's own words if a job is refused, and with the server's last lines if it ends", async () => {
    const { serve } = supervisor();
    const wrong = { partition: 'nowhere' };
    assert.match((await check(wrong))[0]?.message ?? '', /invalid partition specified: nowhere/i);
    await assert.rejects(serve(wrong), (error: Error) => {
      assert(error instanceof ServerFailed);
      assert.match(error.message, /Invalid partition name specified/);
      return true;
    });
    await assert.rejects(
      serve({}, undefined, ['--exit', '3']),
      /exit code 3:0[^]*Errors before them:\n.*could not be loaded/,
    );
    assert.deepEqual(await check({}), []);
    const portless = { path: 'serving', settings: slurmDriver.configuration.parse(settingsOf({}, [], [])) };
    assert.match(slurmDriver.problems(portless.path, portless.settings)[0]?.message ?? '', /\{port\}/);
  });

  it('ends by itself when the machine that it belongs to is gone', async () => {
    const { serve, close } = supervisor();
    await serve({});
    await close();
    const [entry] = openServerRegistry(stateFolder).list();
    process.kill(entry!.process.pid, 'SIGKILL');
    await eventually(async () => (await jobs()).length === 0);
    const log = join(folder, '.machines', hostname(), 'slurm');
    const text = await slurm.run('grep', '-rh', 'gives no sign of life', log);
    assert.match(text, /it ends/);
    assert.notEqual(await readFile(join(stateFolder, `${entry!.key}.log`), 'utf8'), '');
  });

  function settingsOf(settings: Settings, serverArguments: string[], port = ['--port', '{port}']): Settings {
    return {
      kind: 'slurm',
      command: [process.execPath, fakeServer, '--host', '{host}', ...port, ...serverArguments],
      startTimeoutSeconds: 60,
      ...settings,
    };
  }

  function environment() {
    return { PATH: process.env['PATH'], ...slurm.environment };
  }

  /** A worker of this machine. */
  function supervisor() {
    const created = createServerSupervisor({
      ...{ stateFolder, python: 'python3', storeRoot: folder, packageRoot: folder, cacheFolder: folder },
      log: () => undefined,
      environment: environment(),
      monitor: {
        ...{ checkIntervalSeconds: 0.2, healthTimeoutSeconds: 2 },
        ...{ maxFailedHealthChecks: 3, probeTimeoutSeconds: 4 },
      },
    });
    supervisors.push(created);
    const serve = async (
      settings: Settings,
      onWait?: (reason?: string) => void,
      serverArguments: string[] = [],
    ) => {
      const { baseUrl } = await created.ensureServing({
        serving: slurmDriver.configuration.parse(settingsOf(settings, serverArguments)),
        ...{ checkpoint: '/models/seed', runName: 'seed', iteration: 0, owner: 'run' },
        ...(onWait === undefined ? {} : { onWait }),
      });
      return String(baseUrl);
    };
    return {
      serve,
      stopServing: (owner: string) => created.stopServing(owner),
      close: () => created.close(),
    };
  }

  function check(settings: Settings) {
    return slurmDriver.check({
      settings: slurmDriver.configuration.parse(settingsOf(settings, [])),
      ...{ path: 'serving', checkpoint: '/models/seed', runName: 'seed', python: undefined },
      environment: environment(),
    });
  }

  async function jobs() {
    const lines = await slurm.run('squeue', '-h', '-o', '%i %N').catch(() => '');
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [id = '', name = ''] = line.split(' ');
        return { id, node: name as SlurmNode | '' };
      });
  }
});

/** The answer of the model; empty if it doesn't answer. */
async function ask(baseUrl: string): Promise<string> {
  try {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'seed-0', messages: [] }),
      signal: AbortSignal.timeout(20_000),
    });
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    return choices[0]?.message.content ?? '';
  } catch {
    return '';
  }
}

async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(100);
}
