import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { ModelNotFound } from '../../src/inference/errors.ts';
import { processesOfGroup } from '../../src/processes/identity.ts';
import type { CommandDriver } from '../../src/serving/drivers.ts';
import { ServerFailed } from '../../src/serving/errors.ts';
import { openRegistry, type ServerEntry } from '../../src/serving/registry.ts';
import {
  createServerSupervisor,
  type ServedModel,
  type ServerSupervisor,
} from '../../src/serving/supervisor.ts';
import { startScriptedEndpoint } from '../inference/scripted-endpoint.ts';

const fakeServer = fileURLToPath(import.meta.resolve('./fake-server.ts'));
const program = fileURLToPath(import.meta.resolve('./ensure-serving.ts'));

describe('the server supervisor', function () {
  this.timeout(12_000);
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
    const made = createServerSupervisor({
      stateFolder,
      log: (level, message) => void logged.push(`${level} ${message}`),
      python: 'python3',
      storeRoot: folder,
      packageRoot: folder,
      cacheFolder: folder,
      environment: { PATH: process.env['PATH'] },
      stopGraceSeconds: 0.5,
      watch: {
        intervalSeconds: 0.05,
        healthTimeoutSeconds: 0.8,
        unansweredLooks: 2,
        requestTimeoutSeconds: 1.2,
        backoff: { initialSeconds: 0.01, maximumSeconds: 0.05 },
      },
      ...changed,
    });
    supervisors.push(made);
    return made;
  }

  /** Serves any checkpoint from one process, unless arguments or changes say otherwise. */
  function driver(serverArguments: string[] = [], changed: Partial<CommandDriver> = {}): CommandDriver {
    const starts = join(folder, 'starts');
    return {
      kind: 'command',
      command: [process.execPath, fakeServer, '--port', '{port}', '--starts', starts, ...serverArguments],
      servedName: '{checkpoint}',
      host: '127.0.0.1',
      healthPath: '/health',
      basePath: '/v1',
      startTimeoutSeconds: 10,
      ...changed,
    };
  }

  function serve(
    changed: { driver?: CommandDriver; checkpoint?: string; owner?: string; by?: ServerSupervisor } = {},
  ) {
    return (changed.by ?? supervisor).ensureServing({
      driver: changed.driver ?? driver(),
      checkpoint: changed.checkpoint ?? '/models/seed',
      runName: 'run',
      iteration: 2,
      owner: changed.owner ?? 'run/judge',
    });
  }

  function starts(): number[] {
    return readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n').map(Number);
  }

  /** What the model answers: its name and the process that serves it. */
  async function ask({ baseUrl, model }: ServedModel): Promise<string | undefined> {
    try {
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] });
      const signal = AbortSignal.timeout(500);
      const response = await fetch(`${String(baseUrl)}/chat/completions`, { method: 'POST', body, signal });
      const answer = (await response.json()) as { choices: { message: { content: string } }[] };
      return answer.choices[0]?.message.content;
    } catch {
      return undefined;
    }
  }

  async function control({ baseUrl }: ServedModel, what: string): Promise<void> {
    await fetch(`${new URL(String(baseUrl)).origin}/control/${what}`, { method: 'POST' }).catch(
      () => undefined,
    );
  }

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) await sleep(20);
  }

  async function failureOf(serving: Promise<ServedModel>): Promise<ServerFailed> {
    const error = await serving.then(
      () => assert.fail('it did not fail'),
      (reason: unknown) => reason,
    );
    assert(error instanceof ServerFailed, inspect(error));
    return error;
  }

  const isGone = async (pid: number): Promise<boolean> => (await processesOfGroup(pid)).length === 0;

  it('brings a model up under its name and gives a base URL that answers', async () => {
    const served = await serve({
      driver: driver(['--model', '{servedName}'], { servedName: '{runName}-{iteration}' }),
    });
    assert.equal(served.model, 'run-2');
    assert.equal(await ask(served), `run-2 from ${starts()[0]}`);
  });

  it('serves every checkpoint from one process where the command names none, and starts one for each where it does', async () => {
    const [first, second] = [await serve(), await serve({ checkpoint: '/models/other' })];
    assert.equal(first.baseUrl, second.baseUrl);
    assert.equal(starts().length, 1);
    assert.equal(await ask(second), `/models/other from ${starts()[0]}`);
    const own = driver(['--model', '{checkpoint}']);
    const third = await serve({ driver: own });
    const fourth = await serve({ driver: own, checkpoint: '/models/other' });
    assert.equal(new Set([first.baseUrl, third.baseUrl, fourth.baseUrl]).size, 3);
    assert.equal(starts().length, 3);
  });

  it('keeps an argument whole, whatever a checkpoint is called', async () => {
    const checkpoint = '/models/it\'s $(touch here); {port} "x"';
    const served = await serve({ driver: driver(['--model', '{checkpoint}']), checkpoint });
    assert.equal(await ask(served), `${checkpoint} from ${starts()[0]}`);
  });

  it('starts one server when several callers need it at once', async () => {
    const other = supervisorWith({});
    const served = await Promise.all([serve(), serve({ owner: 'b' }), serve({ owner: 'c', by: other })]);
    assert.equal(new Set(served.map((each) => each.baseUrl)).size, 1);
    assert.equal(starts().length, 1);
  });

  it('starts one server when several worker processes need it at once, and it outlives them', async () => {
    const workers = Array.from({ length: 3 }, () => workerThatServes(driver()));
    const urls = await Promise.all(workers.map(outputOf));
    assert.equal(new Set(urls).size, 1, urls.join());
    assert.equal(starts().length, 1);
    const served = await serve();
    assert.equal(served.baseUrl, urls[0]);
    assert.equal(await ask(served), `/models/seed from ${starts()[0]}`);
    assert.equal(starts().length, 1);
  });

  it('starts a killed server again under the same base URL', async () => {
    const served = await serve();
    process.kill(starts()[0]!, 'SIGKILL');
    await until(async () => (await ask(served)) === `/models/seed from ${starts()[1]}`);
    assert.equal(starts().length, 2);
  });

  it('replaces a server that hangs under the same base URL, and leaves nothing of it', async () => {
    const served = await serve();
    await control(served, 'hang');
    await until(async () => (await ask(served)) === `/models/seed from ${starts()[1]}`);
    assert(await isGone(starts()[0]!));
  });

  it('is one server again when two workers see it die', async () => {
    const other = supervisorWith({});
    const [served] = await Promise.all([serve(), serve({ owner: 'b', by: other })]);
    process.kill(starts()[0]!, 'SIGKILL');
    await until(async () => (await ask(served)) !== undefined);
    await sleep(300);
    assert.equal(starts().length, 2);
  });

  it('gives a server that keeps failing up, says so, and starts it when it is asked for again', async () => {
    const always = driver(['--model', '/models/seed']);
    supervisor = supervisorWith({
      watch: {
        intervalSeconds: 0.05,
        quickFailures: 2,
        backoff: { initialSeconds: 0.01, maximumSeconds: 0.01 },
      },
    });
    const served = await serve({ driver: always });
    for (let kill = 0; !logged.some((line) => line.startsWith('error'));) {
      const pids = starts();
      if (pids.length > kill && (await ask(served)) !== undefined) process.kill(pids[kill++]!, 'SIGKILL');
      await sleep(10);
    }
    assert.match(
      logged.at(-1)!,
      /given up: it failed 3 times in a row, the last time because its process is gone/,
    );
    const before = starts();
    await sleep(200);
    assert.deepEqual(starts(), before);
    assert.deepEqual(supervisor.states(), { starting: 0, ready: 0, 'given-up': 1 });
    const again = await serve({ driver: always });
    assert.equal(again.baseUrl, served.baseUrl);
    assert(await ask(again));
    assert.deepEqual(supervisor.states(), { starting: 0, ready: 1, 'given-up': 0 });
  });

  it('says command, exit code and last lines of the log when the command ends early, and leaves no entry', async () => {
    const error = await failureOf(serve({ driver: driver(['--exit', '7']) }));
    assert.equal(error.reason, 'exited');
    assert.equal(error.exitCode, 7);
    assert.match(error.message, /exit code 7[^]*fake-server\.ts[^]*the model could not be loaded/);
    assert.deepEqual(entries(), []);
  });

  it('names a program that is not there', async () => {
    const error = await failureOf(serve({ driver: { ...driver(), command: ['no-such-program', '{port}'] } }));
    assert.equal(error.reason, 'not-startable');
    assert.match(error.message, /no-such-program/);
  });

  it('ends a server that is not healthy in time, and one that lacks the model, naming the models it has', async () => {
    const sick = await failureOf(
      serve({ driver: driver(['--ready', join(folder, 'never')], { startTimeoutSeconds: 0.7 }) }),
    );
    assert.equal(sick.reason, 'no-answer');
    const lacking = await failureOf(serve({ driver: driver(['--model', 'another']) }));
    assert.equal(lacking.reason, 'model-unusable');
    assert.match(lacking.message, /It has another/);
    for (const pid of starts()) assert(await isGone(pid));
    assert.deepEqual(entries(), []);
  });

  it('keeps a server for all its owners when one of them, or another, asks for a model that it lacks', async () => {
    const limited = driver(['--model', '/models/seed']);
    const served = await serve({ driver: limited });
    for (const owner of ['run/judge', 'other']) {
      await assert.rejects(serve({ driver: limited, checkpoint: '/models/none', owner }), ServerFailed);
    }
    assert.equal(await ask(served), `/models/seed from ${starts()[0]}`);
    assert.deepEqual(
      entries().map((entry) => entry.owners),
      [['run/judge']],
    );
  });

  it('replaces a server that hangs, watched by nobody, when it is asked for', async () => {
    const patient = driver([], { startTimeoutSeconds: 600 });
    const served = await serve({ driver: patient });
    await supervisor.close();
    await control(served, 'hang');
    supervisor = supervisorWith({});
    assert.deepEqual(await serve({ driver: patient }), served);
    assert.equal(await ask(served), `/models/seed from ${starts()[1]}`);
    assert(await isGone(starts()[0]!));
  });

  it('goes on with a server whose worker was killed while it started', async () => {
    const ready = join(folder, 'ready');
    const slow = driver(['--ready', ready]);
    const worker = workerThatServes(slow);
    await until(() => existsSync(join(folder, 'starts')));
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    await supervisor.adopt();
    writeFileSync(ready, '');
    await until(() => entries()[0]?.readyAt !== undefined);
    assert.equal(await ask(await serve({ driver: slow })), `/models/seed from ${starts()[0]}`);
    assert.equal(starts().length, 1);
  });

  it('stops a server with its last owner, and all that it started, also what ignores SIGTERM', async () => {
    const stubborn = driver(['--stubborn']);
    const served = await serve({ driver: stubborn });
    await serve({ driver: stubborn, owner: 'other' });
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

  it('can be told to stop while the server still starts, and starts none for those who wait for it', async () => {
    const never = driver(['--ready', join(folder, 'never')]);
    const starting = [serve({ driver: never }), serve({ driver: never })];
    const failed = Promise.all(starting.map(failureOf));
    await until(() => existsSync(join(folder, 'starts')));
    await supervisor.stopServing('run/judge');
    await failed;
    assert(await isGone(starts()[0]!));
    assert.equal(starts().length, 1);
    assert.deepEqual(entries(), []);
  });

  it('on the start of a worker goes on watching servers with a living owner, and stops the others', async () => {
    const kept = await serve({ owner: 'alive' });
    await serve({ driver: driver(['--model', '/models/seed']), owner: 'dead' });
    await supervisor.close();
    const [keptPid, otherPid] = starts();
    process.kill(keptPid!, 'SIGKILL');
    const next = supervisorWith({ isOwnerAlive: async (owner) => owner === 'alive' });
    await next.adopt();
    assert(await isGone(otherPid!));
    await until(async () => (await ask(kept)) === `/models/seed from ${starts()[2]}`);
    await next.close();
  });

  it('keeps for who wants it the server whose owner is dead, and stops the others', async () => {
    await serve({ owner: 'dead' });
    await serve({ driver: driver(['--model', '/models/seed']), owner: 'dead' });
    await supervisor.close();
    const next = supervisorWith({ isOwnerAlive: async (owner) => owner === 'alive' });
    const request = { driver: driver(), checkpoint: '/models/other', runName: 'r', iteration: 0 };
    await next.adopt({ ...request, owner: 'alive' });
    assert(await isGone(starts()[1]!));
    const served = await next.ensureServing({ ...request, owner: 'alive' });
    assert.equal(await ask(served), `/models/other from ${starts()[0]}`);
    await next.adopt();
    await next.stopServing('alive');
    assert(await isGone(starts()[0]!));
    await next.close();
  });

  it('starts again what the worker before took along, where it is needed still', async () => {
    const served = await serve({ owner: 'alive' });
    await supervisor.stopAll();
    assert(await isGone(starts()[0]!));
    const next = supervisorWith({ isOwnerAlive: async (owner) => owner === 'alive' });
    await next.adopt();
    await until(async () => (await ask(served)) === `/models/seed from ${starts()[1]}`);
    await next.stopAll();
    const last = supervisorWith({ isOwnerAlive: async () => false });
    await last.adopt();
    assert.deepEqual(entries(), []);
  });

  it('takes no stranger with the same process id for its server, and leaves the stranger alone', async () => {
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

  it('only asks an endpoint that somebody else serves, by the name that the template gives', async () => {
    const endpoint = await startScriptedEndpoint({ models: ['run-2'] });
    try {
      endpoint.script(({ body }) =>
        body.model === 'run-2' ? { kind: 'answer' } : { kind: 'status', status: 404 },
      );
      const request = { checkpoint: '/models/seed', runName: 'run', iteration: 2, owner: 'run/judge' };
      const named = (servedName: string) =>
        supervisor.ensureServing({
          ...request,
          driver: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedName },
        });
      assert.deepEqual(await named('{runName}-{iteration}'), { baseUrl: endpoint.baseUrl, model: 'run-2' });
      await assert.rejects(named('judge-{iteration}'), ModelNotFound);
    } finally {
      await endpoint.close();
    }
  });

  function entries(): ServerEntry[] {
    return openRegistry(stateFolder).list();
  }

  function workerThatServes(served: CommandDriver): ChildProcess {
    const work = JSON.stringify({ stateFolder, folder, driver: served });
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
