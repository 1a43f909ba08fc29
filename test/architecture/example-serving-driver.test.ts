import assert from 'node:assert/strict';
import {
  findServingDriver,
  SERVING_DRIVERS,
  servingSchemaOf,
} from '../../src/models/serving/drivers/registry.ts';
import { withAddress } from '../../src/models/serving/drivers/server-spec.ts';
import { vllm } from './example-serving-driver.ts';

describe('a third serving driver', () => {
  const drivers = [...SERVING_DRIVERS, vllm] as const;
  const schema = servingSchemaOf(drivers);

  it('is configured by its name beside the others, with its own fields and defaults', () => {
    const settings = schema.parse({ kind: 'vllm', gpus: 4 });
    assert(settings.kind === 'vllm');
    assert.deepEqual([settings.gpus, settings.servedModelName], [4, '{runName}-{iteration}']);
    assert.equal(
      schema.parse({ kind: 'command', command: ['serve'] }).servedModelName,
      '{runName}-{iteration}',
    );
    assert.equal(schema.safeParse({ kind: 'ollama' }).success, false);
  });

  it('names the settings that contradict each other and the program that is missing', async () => {
    const settings = schema.parse({
      kind: 'vllm',
      eager: true,
      compilationConfig: '3',
      servedModelName: '{run}',
    });
    const driver = findServingDriver(drivers, settings.kind);
    assert.deepEqual(
      driver.problems('serving', settings).map(({ path }) => path),
      ['serving.compilationConfig'],
    );
    const check = { path: 'serving', settings, checkpoint: 'm', runName: 'r', python: undefined };
    assert.deepEqual(await driver.check({ ...check, environment: { PATH: '/nowhere' } }), [
      {
        path: 'serving.servedModelName',
        message: 'unknown placeholder {run}; known: {runName}, {iteration}, {checkpoint}',
      },
      { path: 'serving', message: 'no program vllm on the PATH of the worker with role gpu: install it' },
    ]);
  });

  it('gives the supervisor a server process, whose key differs if its command does', () => {
    const serverFor = (gpus: number, port: number) => {
      const settings = schema.parse({ kind: 'vllm', gpus });
      const driver = findServingDriver(drivers, settings.kind);
      assert(driver.needsMachine);
      const { key, command } = driver.server(settings, {
        ...{ python: 'python3', storeRoot: '/store', packageRoot: '/package', cacheFolder: '/cache' },
        ...{ checkpoint: '/models/judge', servedModelName: 'judge-1' },
      });
      return { key, command: withAddress(command, { host: '10.0.0.7', port }).join(' ') };
    };
    const two = serverFor(2, 8000);
    assert.equal(
      two.command,
      'vllm serve /models/judge --served-model-name judge-1 --host 10.0.0.7 --port 8000 --generation-config vllm --disable-uvicorn-access-log --tensor-parallel-size 2',
    );
    assert.equal(two.key, serverFor(2, 9000).key);
    assert.notEqual(two.key, serverFor(4, 8000).key);
  });
});
