import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigurationInput, startRun } from '../../src/client/index.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { processesOfGroup } from '../../src/platform/process-identity.ts';
import { commandServing } from '../../src/models/serving/drivers/command.ts';
import { findVllm } from '../../tools/setup/real-servers.ts';
import { askModel, superviseServers, until } from '../models/serving/supervised-servers.ts';
import { startCluster } from '../support/cluster.ts';

/** `npm run test:vllm` installs vLLM for processors in the cache folder first (6 GB). A start takes minutes on two cores. */
describe('a real vLLM', function () {
  this.timeout(3_600_000);
  let vllm: string;

  before(async function () {
    const found = process.env['TEST_VLLM'] === '1' ? await findVllm() : undefined;
    if (found === undefined) this.skip();
    vllm = found;
  });

  const serving = () =>
    commandServing({
      command: [
        ...[vllm, 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'],
        ...['--host', '{host}', '--port', '{port}'],
        ...['--generation-config', 'vllm', '--disable-uvicorn-access-log'],
        // For the model of the example, on processors; vLLM for them can't seed a request whose prompt it reads in chunks.
        ...['--enforce-eager', '--dtype', 'float32', '--max-model-len', '128', '--no-enable-chunked-prefill'],
      ],
      environment: { VLLM_CPU_KVCACHE_SPACE: '1' },
    });

  it('serves the embedded example for an iteration, whose judge is better than the seed model', async () => {
    const cluster = await startCluster();
    try {
      const file = join(packageRoot, 'temporal/inputs/embedded.json');
      const example = JSON.parse(await readFile(file, 'utf8')) as ConfigurationInput;
      cluster.startWorker();
      const run = await startRun(cluster.client, {
        ...example,
        ...{ runName: 'on-vllm', iterations: 1, serving: serving() },
      });
      const { iterations } = await run.result();
      const [seed, judge] = iterations.map(({ evaluations }) =>
        evaluations.find(({ benchmark }) => benchmark === 'test'),
      );
      console.log(`      M_0 ${seed?.accuracy}, M_1 ${judge?.accuracy} on test`);
      // The embedded server's figure: the judge answers greedily, so that only rounding differs.
      assert(Math.abs((seed?.accuracy ?? 0) - 0.697) < 0.02, `M_0: ${seed?.accuracy}`);
      assert((judge?.accuracy ?? 0) > (seed?.accuracy ?? 1) + 0.05, `M_1: ${judge?.accuracy}`);
      assert((iterations[1]?.seconds['serveModel'] ?? 0) > 1);
    } finally {
      await cluster.close();
    }
  });

  it('is replaced within two minutes when its engine is stopped', async () => {
    const servers = superviseServers();
    try {
      const served = await servers.serve(
        { ...serving(), startTimeoutSeconds: 1800, servedModelName: 'judge' },
        { checkpoint: join(packageRoot, 'embedded/model') },
      );
      const leader = Number(
        /"pid": (\d+)/.exec(
          readFileSync(join(servers.folder, 'state', `${served.key}.server.json`), 'utf8'),
        )?.[1],
      );
      const members = await processesOfGroup(leader);
      const engine = members.find((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('EngineCore'),
      );
      assert(engine !== undefined, 'no process of the engine');
      assert.notEqual(await askModel(served), undefined);
      process.kill(engine, 'SIGSTOP');
      const stoppedAt = performance.now();
      const unanswered = askModel(served);
      await until(() => servers.logged.some((line) => line.includes('it hangs')));
      const seconds = (performance.now() - stoppedAt) / 1000;
      console.log(`      noticed after ${seconds.toFixed(0)} s`);
      assert(seconds < 120, `${seconds} s`);
      assert.equal(await unanswered, undefined);
      await until(async () => (await askModel(served)) !== undefined);
    } finally {
      await servers.close();
    }
  });
});
