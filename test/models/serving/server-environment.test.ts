import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServerSupervisor } from '../../../src/models/serving/supervisor.ts';

describe('the environment of a model server', () => {
  it('contains the environment of its worker except the keys of Temporal and of endpoints', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'environment-'));
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
        VLLM_API_KEY: 'its own',
        HF_TOKEN: 'for gated models',
      },
    });
    const file = join(folder, 'seen');
    const serving = supervisor.ensureServing({
      serving: {
        kind: 'command',
        command: ['sh', '-c', 'env > "$SEEN"; exit 1', '{port}'],
        servedModelName: 'any',
        healthPath: '/health',
        basePath: '/v1',
        startTimeoutSeconds: 10,
        environment: { SEEN: file },
      },
      checkpoint: '/models/seed',
      runName: 'run',
      iteration: 0,
      owner: 'run/judge',
    });
    await assert.rejects(serving, { name: 'ServerFailed' });
    const seen = (await readFile(file, 'utf8')).split('\n');
    assert.deepEqual(seen.filter((line) => /KEY|TOKEN/.test(line)).sort(), [
      'HF_TOKEN=for gated models',
      'VLLM_API_KEY=its own',
    ]);
    await supervisor.close();
    await rm(folder, { recursive: true });
  });
});
