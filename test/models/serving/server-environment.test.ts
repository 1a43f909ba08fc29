import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServerSupervisor } from '../../../src/models/serving/supervisor.ts';

describe('the environment of a model server', () => {
  it('contains the settings of its worker that servers read, its own key, and no other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'environment-'));
    const file = join(folder, 'seen');
    const supervisor = createServerSupervisor({
      stateFolder: join(folder, 'state'),
      log: () => undefined,
      python: 'python3',
      storeRoot: folder,
      packageRoot: folder,
      cacheFolder: folder,
      environment: {
        PATH: process.env['PATH'],
        TEMPORAL_API_KEY: 'of Temporal',
        OPENAI_API_KEY: 'of an endpoint',
        AWS_SECRET_ACCESS_KEY: 'of a bucket',
        DATABASE_URL: 'postgres://user:password@host',
        VLLM_API_KEY: 'its own',
        VLLM_LOGGING_LEVEL: 'DEBUG',
        CUDA_VISIBLE_DEVICES: '0',
        OWN_KEY: 'named by the configuration',
        HF_TOKEN: 'for gated models',
      },
    });
    const serve = (checkpoint: string, apiKeyEnv?: string) =>
      supervisor.ensureServing({
        serving: {
          kind: 'command',
          ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
          command: ['sh', '-c', 'env > "$SEEN"; exit 1', '{port}', '{checkpoint}'],
          servedModelName: 'any',
          healthPath: '/health',
          basePath: '/v1',
          startTimeoutSeconds: 60,
          environment: { SEEN: file },
        },
        checkpoint,
        runName: 'run',
        iteration: 0,
        owner: 'run/judge',
      });
    const seenBy = async (...server: Parameters<typeof serve>) => {
      await assert.rejects(serve(...server), { name: 'ServerFailed' });
      const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.split('=')[0] ?? '');
      return lines
        .filter((name) => !['PATH', 'PWD', 'SHLVL', 'OLDPWD', '_', 'SEEN', ''].includes(name))
        .sort();
    };
    const settings = ['CUDA_VISIBLE_DEVICES', 'VLLM_API_KEY', 'VLLM_LOGGING_LEVEL'];
    assert.deepEqual(await seenBy('/models/seed'), settings);
    assert.deepEqual(await seenBy('owner/seed'), [...settings, 'HF_TOKEN'].sort());
    assert.deepEqual(await seenBy('/models/seed', 'OWN_KEY'), [...settings, 'OWN_KEY'].sort());
    await supervisor.close();
    await rm(folder, { recursive: true });
  });
});
