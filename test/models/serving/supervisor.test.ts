import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { ModelNotFound } from '../../../src/models/inference/errors.ts';
import { processesOfGroup } from '../../../src/platform/process-identity.ts';
import { commandServing, type CommandServing } from '../../../src/models/serving/drivers/command.ts';
import { ServerFailed } from '../../../src/models/serving/errors.ts';
import { openServerRegistry, type ServerEntry } from '../../../src/models/serving/server-registry.ts';
import {
  createServerSupervisor,
  type ServedEndpoint,
  type ServerSupervisor,
} from '../../../src/models/serving/supervisor.ts';
import { startScriptedEndpoint } from '../../support/scripted-endpoint.ts';

const fakeServer = fileURLToPath(import.meta.resolve('./fake-server.ts'));
const program = fileURLToPath(import.meta.resolve('./ensure-serving.ts'));
const monitor = { checkIntervalSeconds: 0.05, backoff: { initialSeconds: 0.01, maximumSeconds: 0.05 } };
/** For servers that hang; any other one must not be taken for hanging, however busy the machine is. */
const impatient = {
  ...monitor,
  healthTimeoutSeconds: 0.8,
  maxFailedHealthChecks: 2,
  probeTimeoutSeconds: 1.2,
};

describe('the server supervisor', function () {
  this.timeout(180_000);
  let folder: string;
  let stateFolder: string;
  let logged: string[];
  let supervisors: ServerSupervisor[];
  let supervisor: ServerSupervisor;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'serving-'));
    stateFolder = join(folder, 'state');
    logged = [];
    supervisors = [];
    supervisor = supervisorWith({});
  });
  afterEach(async () => {
    for (const each of supervisors) await each.close();
    await supervisor.stopAll();
    rmSync(folder, { recursive: true });
  });

  function supervisorWith(changed: Partial<Parameters<typeof createServerSupervisor>[0]>): ServerSupervisor {
    const created = createServerSupervisor({
      stateFolder,
      log: (level, message) => void logged.push(`${level} ${message}`),
      python: 'python3',
      storeRoot: folder,
      packageRoot: folder,
      cacheFolder: folder,
      environment: { PATH: process.env['PATH'] },
      stopGraceSeconds: 0.5,
      monitor,
      ...changed,
    });
    supervisors.push(created);
    return created;
  }

  /** A server that serves any checkpoint from one process, unless the arguments or changes differ. */
  function serving(serverArguments: string[] = [], changed: Partial<CommandServing> = {}): CommandServing {
    const starts = join(folder, 'starts');
    return commandServing({
      command: [process.execPath, fakeServer, '--port', '{port}', '--starts', starts, ...serverArguments],
      servedModelName: '{checkpoint}',
      startTimeoutSeconds: 60,
      ...changed,
    });
  }

  function serve(
    changed: { serving?: CommandServing; checkpoint?: string; owner?: string; by?: ServerSupervisor } = {},
  ) {
    return (changed.by ?? supervisor).ensureServing({
      serving: changed.serving ?? serving(),
      checkpoint: changed.checkpoint ?? '/models/seed',
      runName: 'run',
      iteration: 2,
      owner: changed.owner ?? 'run/judge',
    });
  }

  function starts(): number[] {
    const file = join(folder, 'starts');
    // The file is there a moment before its first line.
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1).map(Number) : [];
  }

  /** Returns the answer of the model: its name and the process that serves it. */
  async function ask({ baseUrl, model }: ServedEndpoint): Promise<string | undefined> {
    try {
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] });
      const response = await fetch(`${String(baseUrl)}/chat/completions`, { method: 'POST', body });
      const answer = (await response.json()) as { choices: { message: { content: string } }[] };
      return answer.choices[0]?.message.content;
    } catch {
      return undefined;
    }
  }

  async function control({ baseUrl }: ServedEndpoint, what: string): Promise<void> {
    await fetch(`${new URL(String(baseUrl)).origin}/control/${what}`, { method: 'POST' }).catch(
      () => undefined,
    );
  }

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await sleep(20);
  }

  async function failureOf(serving: Promise<ServedEndpoint>): Promise<ServerFailed> {
    const error = await serving.then(
      () => assert.fail('it did not fail'),
      (reason: unknown) => reason,
    );
    assert(error instanceof ServerFailed, inspect(error));
    return error;
  }

  const isGone = async (pid: number): Promise<boolean> => (await processesOfGroup(pid)).length === 0;

  it('serves a model under its name and returns a base URL that answers', async () => {
    const served = await serve({
      serving: serving(['--model', '{servedModelName}'], { servedModelName: '{runName}-{iteration}' }),
    });
    assert.equal(served.model, 'run-2');
    assert.equal(await ask(served), `run-2 from ${starts()[0]}`);
  });

  it('serves all checkpoints from one process if the command names none, and starts one process for each otherwise', async () => {
    const [first, second] = [await serve(), await serve({ checkpoint: '/models/other' })];
    assert.equal(first.baseUrl, second.baseUrl);
    assert.equal(starts().length, 1);
    assert.equal(await ask(second), `/models/other from ${starts()[0]}`);
    const own = serving(['--model', '{checkpoint}']);
    const third = await serve({ serving: own });
    const fourth = await serve({ serving: own, checkpoint: '/models/other' });
    assert.equal(new Set([first.baseUrl, third.baseUrl, fourth.baseUrl]).size, 3);
    assert.equal(starts().length, 3);
  });

  it('passes a checkpoint as one argument, whatever characters its name has', async () => {
    const checkpoint = '/models/it\'s $(touch here); {port} "x"';
    const served = await serve({ serving: serving(['--model', '{checkpoint}']), checkpoint });
    assert.equal(await ask(served), `${checkpoint} from ${starts()[0]}`);
  });

  it('starts one server if several callers need it at the same time', async () => {
    const other = supervisorWith({});
    const served = await Promise.all([serve(), serve({ owner: 'b' }), serve({ owner: 'c', by: other })]);
    assert.equal(new Set(served.map((each) => each.baseUrl)).size, 1);
    assert.equal(starts().length, 1);
  });

  it('starts one server if several worker processes need it at the same time, and it outlives them', async () => {
    const workers = Array.from({ length: 3 }, () => workerThatServes(serving()));
    const urls = await Promise.all(workers.map(outputOf));
    assert.equal(new Set(urls).size, 1, urls.join());
    assert.equal(starts().length, 1);
    const served = await serve();
    assert.equal(served.baseUrl, urls[0]);
    assert.equal(await ask(served), `/models/seed from ${starts()[0]}`);
    assert.equal(starts().length, 1);
  });

  it('restarts a killed server under the same base URL', async () => {
    const served = await serve();
    process.kill(starts()[0]!, 'SIGKILL');
    await until(async () => (await ask(served)) === `/models/seed from ${starts()[1]}`);
    assert.equal(starts().length, 2);
  });

  it('replaces a server that hangs under the same base URL, and ends all its processes', async () => {
    supervisor = supervisorWith({ monitor: impatient });
    const served = await serve();
    const [first] = starts();
    await control(served, 'hang');
    await until(async () => (await ask(served)) === `/models/seed from ${starts().at(-1)}`);
    assert.notEqual(starts().at(-1), first);
    assert(await isGone(first!));
  });

  it('restarts one server only if two workers see it end', async () => {
    const other = supervisorWith({});
    const [served] = await Promise.all([serve(), serve({ owner: 'b', by: other })]);
    process.kill(starts()[0]!, 'SIGKILL');
    await until(async () => (await ask(served)) !== undefined);
    await sleep(300);
    assert.equal(starts().length, 2, logged.join('\n'));
  });

  it('stops restarting a server that fails repeatedly, logs that, and starts it when it is needed again', async () => {
    const always = serving(['--model', '/models/seed']);
    supervisor = supervisorWith({ monitor: { ...monitor, maxQuickFailures: 2 } });
    const served = await serve({ serving: always });
    for (let kill = 0; !logged.some((line) => line.startsWith('error'));) {
      const pids = starts();
      if (pids.length > kill && (await ask(served)) !== undefined) process.kill(pids[kill++]!, 'SIGKILL');
      await sleep(10);
    }
    assert.match(
      logged.at(-1)!,
      /not restarted any more: it failed 3 times in a row, the last time because its process is gone/,
    );
    const before = starts();
    await sleep(200);
    assert.deepEqual(starts(), before);
    assert.deepEqual(supervisor.countByState(), { starting: 0, ready: 0, failed: 1 });
    const again = await serve({ serving: always });
    assert.equal(again.baseUrl, served.baseUrl);
    assert(await ask(again));
    assert.deepEqual(supervisor.countByState(), { starting: 0, ready: 1, failed: 0 });
  });

  it('reports command, exit code and last lines of the log if the command ends early, and leaves no entry', async () => {
    const error = await failureOf(serve({ serving: serving(['--exit', '7']) }));
    assert.equal(error.reason, 'exited');
    assert.equal(error.exitCode, 7);
    assert.match(error.message, /exit code 7[^]*fake-server\.ts[^]*the model could not be loaded/);
    assert.deepEqual(entries(), []);
  });

  it('names a program that does not exist', async () => {
    const error = await failureOf(
      serve({ serving: { ...serving(), command: ['no-such-program', '{port}'] } }),
    );
    assert.equal(error.reason, 'spawn-failed');
    assert.match(error.message, /no-such-program/);
  });

  it('ends a server that is not healthy in time, and one without the model, naming the models that it has', async () => {
    const sick = await failureOf(
      serve({ serving: serving(['--ready', join(folder, 'never')], { startTimeoutSeconds: 0.7 }) }),
    );
    assert.equal(sick.reason, 'health-timeout');
    const lacking = await failureOf(serve({ serving: serving(['--model', 'another']) }));
    assert.equal(lacking.reason, 'model-not-ready');
    assert.match(lacking.message, /It has another/);
    for (const pid of starts()) assert(await isGone(pid));
    assert.deepEqual(entries(), []);
  });

  it('keeps a server for its owners if one of them or somebody else requests a model that it does not have', async () => {
    const limited = serving(['--model', '/models/seed']);
    const served = await serve({ serving: limited });
    for (const owner of ['run/judge', 'other']) {
      await assert.rejects(serve({ serving: limited, checkpoint: '/models/none', owner }), ServerFailed);
    }
    assert.equal(await ask(served), `/models/seed from ${starts()[0]}`);
    assert.deepEqual(
      entries().map((entry) => entry.owners),
      [['run/judge']],
    );
  });

  it('replaces a server that hangs and is not monitored when it is needed', async () => {
    const patient = serving([], { startTimeoutSeconds: 600 });
    const served = await serve({ serving: patient });
    await supervisor.close();
    await control(served, 'hang');
    supervisor = supervisorWith({ monitor: impatient });
    assert.deepEqual(await serve({ serving: patient }), served);
    await supervisor.close();
    await until(async () => (await ask(served)) === `/models/seed from ${starts().at(-1)}`);
    assert(starts().length > 1);
    assert(await isGone(starts()[0]!));
  });

  it('uses a server whose worker was killed while it started', async () => {
    const ready = join(folder, 'ready');
    const slow = serving(['--ready', ready]);
    const worker = workerThatServes(slow);
    await until(() => starts().length === 1 && entries().length === 1);
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    await supervisor.recover();
    writeFileSync(ready, '');
    await until(() => entries()[0]?.readyAt !== undefined);
    assert.equal(await ask(await serve({ serving: slow })), `/models/seed from ${starts()[0]}`);
    assert.equal(starts().length, 1);
  });

  it('stops a server and its child processes with its last owner, even if they ignore SIGTERM', async () => {
    const stubborn = serving(['--stubborn']);
    const served = await serve({ serving: stubborn });
    await serve({ serving: stubborn, owner: 'other' });
    const [pid] = starts();
    assert.equal((await processesOfGroup(pid!)).length, 2);
    await supervisor.stopServing('run/judge');
    assert(await ask(served));
    await supervisor.stopServing('other', served.key);
    assert(await isGone(pid!));
    assert.deepEqual(entries(), []);
    await sleep(200);
    assert.equal(starts().length, 1);
  });

  it('can stop a server that is still starting, and does not start another one for those who wait for it', async () => {
    const never = serving(['--ready', join(folder, 'never')]);
    const starting = [serve({ serving: never }), serve({ serving: never })];
    const failed = Promise.all(starting.map(failureOf));
    await until(() => starts().length === 1);
    await supervisor.stopServing('run/judge');
    await failed;
    assert(await isGone(starts()[0]!));
    assert.equal(starts().length, 1);
    assert.deepEqual(entries(), []);
  });

  it('monitors servers with a living owner when a worker starts, and stops the others', async () => {
    const kept = await serve({ owner: 'alive' });
    await serve({ serving: serving(['--model', '/models/seed']), owner: 'dead' });
    await supervisor.close();
    const [keptPid, otherPid] = starts();
    process.kill(keptPid!, 'SIGKILL');
    const next = supervisorWith({ isOwnerAlive: async (owner) => owner === 'alive' });
    await next.recover();
    assert(await isGone(otherPid!));
    await until(async () => (await ask(kept)) === `/models/seed from ${starts()[2]}`);
    await next.close();
  });

  it('starts a server where it is to listen, in place of one that listens elsewhere', async () => {
    const placed = serving(['--host', '{host}']);
    await serve({ serving: placed });
    supervisor = supervisorWith({ serveHost: 'localhost' });
    const served = await serve({ serving: placed });
    assert.match(String(served.baseUrl), /^http:\/\/localhost:\d+\/v1$/);
    assert.equal(await ask(served), `/models/seed from ${starts()[1]}`);
    await supervisorWith({}).recover();
    assert(logged.some((line) => /listens at localhost, and from now on at 127\.0\.0\.1/.test(line)));
    for (const pid of starts()) assert(await isGone(pid));
  });

  it('says that a command without {host} may listen elsewhere if it does not answer', async () => {
    supervisor = supervisorWith({ serveHost: '192.0.2.1' }); // For documentation: no machine has this address.
    const failure = await failureOf(serve({ serving: serving([], { startTimeoutSeconds: 1 }) }));
    assert.match(
      failure.message,
      /http:\/\/192\.0\.2\.1:\d+\/health doesn't answer; the command doesn't contain \{host\}/,
    );
  });

  it('keeps the wanted server although its owner is dead, and stops the others', async () => {
    await serve({ owner: 'dead' });
    await serve({ serving: serving(['--model', '/models/seed']), owner: 'dead' });
    await supervisor.close();
    const next = supervisorWith({ isOwnerAlive: async (owner) => owner === 'alive' });
    const request = { serving: serving(), checkpoint: '/models/other', runName: 'r', iteration: 0 };
    await next.recover({ ...request, owner: 'alive' });
    assert(await isGone(starts()[1]!));
    const served = await next.ensureServing({ ...request, owner: 'alive' });
    assert.equal(await ask(served), `/models/other from ${starts()[0]}`);
    await next.recover();
    await next.stopServing('alive');
    assert(await isGone(starts()[0]!));
    await next.close();
  });

  it('restarts servers that ended with the previous worker if they still have an owner', async () => {
    const served = await serve({ owner: 'alive' });
    await supervisor.stopAll();
    assert(await isGone(starts()[0]!));
    const next = supervisorWith({ isOwnerAlive: async (owner) => owner === 'alive' });
    await next.recover();
    await until(async () => (await ask(served)) === `/models/seed from ${starts()[1]}`);
    await next.stopAll();
    const last = supervisorWith({ isOwnerAlive: async () => false });
    await last.recover();
    assert.deepEqual(entries(), []);
  });

  it('does not confuse its server with another process of the same id, and does not end that process', async () => {
    const served = await serve();
    await supervisor.close();
    process.kill(starts()[0]!, 'SIGKILL');
    await until(() => isGone(starts()[0]!));
    const stranger: ChildProcess = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      detached: true,
    });
    try {
      const [entry] = entries();
      writeFileSync(
        join(stateFolder, `${entry!.key}.server.json`),
        JSON.stringify({ ...entry, process: { ...entry!.process, pid: stranger.pid } }),
      );
      const next = supervisorWith({});
      assert.equal((await serve({ by: next })).baseUrl, served.baseUrl);
      assert.equal(starts().length, 2);
      assert.equal(await isGone(stranger.pid!), false);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('only sends a request to the endpoint of somebody else, with the name from the template', async () => {
    const endpoint = await startScriptedEndpoint({ models: ['run-2'] });
    try {
      endpoint.script(({ body }) =>
        body.model === 'run-2' ? { kind: 'answer' } : { kind: 'status', status: 404 },
      );
      const request = { checkpoint: '/models/seed', runName: 'run', iteration: 2, owner: 'run/judge' };
      const named = (servedModelName: string) =>
        supervisor.ensureServing({
          ...request,
          serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName },
        });
      assert.deepEqual(await named('{runName}-{iteration}'), { baseUrl: endpoint.baseUrl, model: 'run-2' });
      await assert.rejects(named('judge-{iteration}'), ModelNotFound);
    } finally {
      await endpoint.close();
    }
  });

  function entries(): ServerEntry[] {
    return openServerRegistry(stateFolder).list();
  }

  function workerThatServes(served: CommandServing): ChildProcess {
    const work = JSON.stringify({ stateFolder, folder, serving: served });
    return spawn(process.execPath, [program, work], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  async function outputOf(child: ChildProcess): Promise<string> {
    let text = '';
    child.stdout!.on('data', (part) => (text += String(part)));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0);
    return text.trim();
  }
});
