import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { announceServedModels, type ServedModelPlace } from '../../src/models/serving/served-models.ts';
import { createUnreachableNotesReader } from '../../src/models/serving/unreachable-notes.ts';
import { freePort } from '../../src/platform/ports.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { reachServedModels } from '../../src/worker/reach-served-models.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';

describe('a worker and the models that other machines serve', () => {
  const stopping: AbortController[] = [];
  const ended: Promise<void>[] = [];
  let endpoint: ScriptedEndpoint;
  let objects: ReturnType<typeof openStore>['objects'];
  let logged: string[];
  let models: ServedModelPlace[];
  let working: string[];

  beforeEach(async function () {
    objects = openStore(`memory:${this.currentTest?.title ?? ''}`).objects;
    endpoint = await startScriptedEndpoint({ models: ['judge'] });
    [logged, models, working] = [[], [], []];
  });
  afterEach(async () => {
    for (const each of stopping.splice(0)) each.abort();
    await Promise.all(ended.splice(0));
    await endpoint.close();
  });

  const port = () => Number(new URL(endpoint.baseUrl).port);
  /** By default at an address of this machine that does not count as loopback. */
  const model = (host = '0.0.0.0'): ServedModelPlace => ({
    ...{ label: 'M_1 of run', host, port: port(), healthPath: '/v1/models' },
    ...{ baseUrl: `http://${host}:${port()}/v1`, isReady: true },
  });
  const log = (_level: string, message: string) => void logged.push(message);
  const signal = (): AbortSignal => {
    const controller = new AbortController();
    stopping.push(controller);
    return controller.signal;
  };
  const announce = (machine: string) =>
    void ended.push(announceServedModels(objects, machine, () => models, log, signal()));
  const startWork = async (machine: string) => {
    working.push(machine);
    let end = (): void => undefined;
    const work = new Promise<void>((resolve) => (end = resolve));
    const stop = () => {
      working.splice(working.indexOf(machine), 1);
      end();
    };
    return { ended: work, stop };
  };
  const reach = (machine: string) => {
    const options = { objects, machine, log, startWork, checkSeconds: 0.02 };
    ended.push(reachServedModels(options, signal()));
  };
  const until = async (look: () => boolean | Promise<boolean>) => {
    while (!(await look())) await sleep(10);
  };
  const notes = (machine: string) => createUnreachableNotesReader(objects, machine)(model().baseUrl);

  it('works on those that it reaches until they are stopped', async () => {
    models = [model()];
    announce('b');
    reach('a');
    await until(() => working.join() === 'b');
    assert.deepEqual(await notes('b'), []);
    models = [];
    await until(() => working.length === 0);
  });

  it('waits for a model that is starting, and goes on with one that starts again', async () => {
    models = [{ ...model(), isReady: false }];
    announce('b');
    reach('a');
    await sleep(200);
    assert.deepEqual(working, []);
    models = [model()];
    await until(() => working.join() === 'b');
    models = [{ ...model(), isReady: false }];
    await sleep(1_500);
    assert.deepEqual(working, ['b']);
  });

  it('stops to work on a machine that it no longer reaches, says so, and goes on when it reaches it again', async () => {
    await endpoint.close();
    // The system gives this port to no connection of other processes while nobody listens.
    endpoint = await startScriptedEndpoint({ models: ['judge'], port: await freePort() });
    const [before] = (models = [model()]);
    announce('b');
    reach('a');
    await until(() => working.join() === 'b');
    await endpoint.close();
    await until(() => working.length === 0);
    const reason = `M_1 of run is up on b at 0.0.0.0:${before!.port}, not reachable from a: check the address that b's worker has as --serve-host`;
    await until(async () => (await notes('b')).join().startsWith(reason));
    assert.equal(logged.filter((line) => line.includes(reason)).length, 1);
    endpoint = await startScriptedEndpoint({ models: ['judge'], port: before!.port });
    await until(async () => working.join() === 'b' && (await notes('b')).length === 0);
  });

  it("never takes a loopback address of another machine for this machine's own server", async () => {
    models = [model('127.0.0.1')];
    announce('b');
    reach('a');
    const atLoopback = createUnreachableNotesReader(objects, 'b');
    const said = () => atLoopback(models[0]!.baseUrl);
    await until(async () => (await said()).length > 0);
    assert.deepEqual(await said(), [
      `M_1 of run is up on b at 127.0.0.1:${port()}, not reachable from a: start b's worker with --serve-host`,
    ]);
    assert.deepEqual(working, []);
    stopping.at(-1)!.abort();
    await until(async () => (await said()).length === 0);
  });

  it('leaves the models of its own machine to the worker that listens to them anyway', async () => {
    models = [model()];
    announce('a');
    reach('a');
    await until(async () => (await objects.list('.machines')).length > 0);
    await sleep(200);
    assert.deepEqual(working, []);
  });
});
