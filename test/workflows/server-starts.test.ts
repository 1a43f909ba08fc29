import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEvaluation, startRun } from '../../src/client/index.ts';
import { processesOfGroup } from '../../src/platform/process-identity.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

const scriptedServer = fileURLToPath(import.meta.resolve('../support/scripted-server.ts'));

describe('a run whose model server starts', function () {
  this.timeout(300_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster();
    cluster.startWorker();
  });
  after(() => cluster.close());

  const until = async (isTrue: () => boolean | Promise<boolean>) => {
    while (!(await isTrue())) await sleep(100);
  };

  it('stops the server when it is paused, starts it again when it is resumed, and stops it when it is cancelled', async () => {
    const startsFile = join(cluster.storeRoot, '..', 'starts');
    const starts = () =>
      existsSync(startsFile) ? readFileSync(startsFile, 'utf8').trim().split('\n').map(Number) : [];
    const isGone = async (start: number) => (await processesOfGroup(starts()[start]!)).length === 0;
    const run = await startRun(
      cluster.client,
      tinyConfiguration('starts-slowly', '', {
        serving: {
          kind: 'command',
          command: ['sh', '-c', `echo $$ >> ${startsFile}; sleep 1000`, '{checkpoint}', '{port}'],
        },
      }),
    );
    await until(() => starts().length === 1);
    await run.pause({ reason: 'the GPU is needed' });
    await until(() => isGone(0));
    assert.equal((await run.progress()).status, 'paused');
    await run.resume();
    await until(() => starts().length === 2);
    assert.equal((await run.progress()).status, 'running');
    await run.cancel();
    await assert.rejects(run.result());
    assert(await isGone(1));
    assert.equal(starts().length, 2);
  });

  it('sends the key in the command with every request, and neither progress nor result contain it', async () => {
    const key = 'sk-only-for-this-server';
    const run = await startEvaluation(cluster.client, {
      runName: 'keyed',
      model: { checkpoint: 'embedded/model' },
      serving: {
        kind: 'command',
        command: [
          ...[process.execPath, scriptedServer, '--host', '{host}', '--port', '{port}'],
          ...['--gate', scriptedServer, '--api-key', key],
        ],
        servedModelName: 'judge',
        healthPath: '/v1/models',
      },
      evaluation: {
        benchmarks: [{ name: 'test', format: 'reward-bench', path: 'embedded/benchmark/validation.jsonl' }],
      },
    });
    await waitForProgress(run, ({ completedIterations }) => completedIterations.length === 1);
    const result = await run.result();
    const [evaluation] = result.evaluations;
    assert((evaluation?.pairs ?? 0) > 0);
    assert(!JSON.stringify([result, await run.progress()]).includes(key));
  });
});
