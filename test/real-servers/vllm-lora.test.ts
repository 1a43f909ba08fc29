import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigurationInput, startRun } from '../../src/client/index.ts';
import { commandServing } from '../../src/models/serving/drivers/command.ts';
import { servingSchema } from '../../src/models/serving/drivers/registry.ts';
import { ServerFailed } from '../../src/models/serving/errors.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { findVllm } from '../../tools/setup/real-servers.ts';
import { askModel, superviseServers, until } from '../models/serving/supervised-servers.ts';
import { startCluster } from '../support/cluster.ts';
import { adapterBase, makeAdapters } from '../support/made-adapters.ts';

/** As vllm.test.ts: a start takes minutes on two cores. */
describe('a real vLLM with adapters', function () {
  this.timeout(5_400_000);
  let vllm: string;

  before(async function () {
    const found = process.env['TEST_VLLM'] === '1' ? await findVllm() : undefined;
    if (found === undefined) this.skip();
    vllm = found;
  });

  const environment = { VLLM_CPU_KVCACHE_SPACE: '1' };
  /** For the model of the example, on processors. */
  const small = [
    '--enforce-eager',
    '--dtype',
    'float32',
    '--max-model-len',
    '128',
    '--no-enable-chunked-prefill',
  ];
  const command = () => [
    ...[vllm, 'serve', '{checkpoint}', '--served-model-name', '{servedModelName}'],
    ...[
      '--host',
      '{host}',
      '--port',
      '{port}',
      '--generation-config',
      'vllm',
      '--disable-uvicorn-access-log',
    ],
  ];
  const withAdapters = (changed: object = {}) =>
    servingSchema.parse({ kind: 'vllm-lora', command: command(), arguments: small, environment, ...changed });

  it('serves two iterations of the embedded example from one start; a new judge is served in seconds', async () => {
    const cluster = await startCluster();
    const servers = superviseServers();
    try {
      const file = join(packageRoot, 'temporal/inputs/embedded.json');
      const example = JSON.parse(await readFile(file, 'utf8')) as ConfigurationInput;
      const [round] = example.fineTuning!.rounds!;
      const hyperparameters = { ...round!.hyperparameters, learningRate: 0.003 };
      const worker = cluster.startWorker();
      const run = await startRun(cluster.client, {
        ...example,
        ...{ runName: 'adapters', iterations: 2, serving: withAdapters() },
        fineTuning: {
          ...example.fineTuning,
          rounds: [{ ...round!, hyperparameters }],
          adapter: { kind: 'lora', rank: 16, alpha: 32 },
        },
      });
      const { iterations } = await run.result();
      const accuracies = iterations.map(
        ({ evaluations }) => evaluations.find(({ benchmark }) => benchmark === 'test')?.accuracy ?? 0,
      );
      const starts = worker
        .log()
        .split('\n')
        .filter((line) => /Model server .* starts at /.test(line));
      assert.equal(starts.length, 1, starts.join('\n'));
      const [seed = 1, ...judges] = accuracies;
      assert(judges.length === 2 && judges.every((judge) => judge > seed + 0.05), accuracies.join());
      const seconds = iterations.map((iteration) => iteration.seconds['serveModel'] ?? NaN);

      // The same M_2 as it was served before: merged, by a start of its own.
      const checkpoint = join(cluster.storeRoot, runUris.training('adapters', 2), 'model');
      const startedAt = performance.now();
      await servers.serve(
        commandServing({ command: [...command(), ...small], environment, startTimeoutSeconds: 3600 }),
        { checkpoint },
      );
      const restart = (performance.now() - startedAt) / 1000;
      console.log(`      accuracy on test: ${accuracies.map((each) => (100 * each).toFixed(1)).join(', ')}`);
      console.log(
        `      first start ${seconds[0]?.toFixed(1)} s; from trained to served: M_1 ${seconds[1]?.toFixed(1)} s, M_2 ${seconds[2]?.toFixed(1)} s; by a restart ${restart.toFixed(1)} s`,
      );
      // The first adapter of a server takes longer: vLLM prepares its code for adapters then.
      assert((seconds[1] ?? NaN) < restart && (seconds[2] ?? NaN) < restart / 4);
    } finally {
      await servers.close();
      await cluster.close();
    }
  });

  it('takes adapters by call, says why it refuses one, and has them again after it was killed', async () => {
    const servers = superviseServers();
    const made = makeAdapters('M_1:8:0.05', 'M_2:8:0.1', 'large:32:0.05');
    const serving = withAdapters({ adapterLoading: 'call', startTimeoutSeconds: 3600 });
    const serve = async (name?: string, canary = name) => {
      const startedAt = performance.now();
      const served = await servers.supervisor.ensureServing({
        ...{ serving, checkpoint: adapterBase, adapterRank: 8, runName: 'run', iteration: 1, owner: 'run' },
        ...(name === undefined ? {} : { adapter: { ...made.get(name), canary: made.get(canary!).canary } }),
      });
      console.log(`      ${name ?? 'the base'}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
      return served;
    };
    const isFailure = (reason: string, text: RegExp) => (error: unknown) => {
      assert(error instanceof ServerFailed, String(error));
      assert.equal(error.reason, reason, error.message);
      assert.match(error.message, text);
      return true;
    };
    try {
      await serve();
      const first = await serve('M_1');
      const second = await serve('M_2');
      assert.notEqual(await askModel(first), await askModel(second));
      assert.equal((await serve('M_1')).model, first.model);
      await assert.rejects(serve('large'), isFailure('adapter-refused', /set it to 32 or more/));
      await assert.rejects(serve('M_2', 'M_1'), isFailure('wrong-weights', /serves other weights/));

      const registry = join(servers.folder, 'state', `${first.key}.server.json`);
      const { process: leader } = JSON.parse(await readFile(registry, 'utf8')) as {
        process: { pid: number };
      };
      process.kill(leader.pid, 'SIGKILL');
      await until(() => servers.logged.some((line) => line.includes('serves again on port')));
      // It doesn't look in a folder, so it is told again.
      assert.equal(await askModel(first).catch(() => undefined), undefined);
      assert.notEqual(await askModel(await serve('M_1')), undefined);
    } finally {
      made.remove();
      await servers.close();
    }
  });
});
