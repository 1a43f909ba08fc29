import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from '@temporalio/client';
import { withSimulation, type SimulationOptions } from '../../../bench/simulation/simulated-run.ts';
import { findRun, type RunProgress } from '../../../src/client/index.ts';
import { startScriptedEndpoint } from '../../support/scripted-endpoint.ts';
import { startCluster } from '../../support/cluster.ts';
import { stageStarted, waitForProgress, tinyConfiguration } from '../../support/tiny-run.ts';
import { resultOf, runBin, startBin } from '../../support/run-cli.ts';

describe('the commands that start and control a run', function () {
  this.timeout(600_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steering-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function file(configuration: object): Promise<string> {
    const path = join(folder, 'configuration.json');
    await writeFile(path, JSON.stringify(configuration));
    return path;
  }

  it('start it once, reject a different configuration, pause, resume and stop it, and reject invalid requests', async () => {
    const gate = Promise.withResolvers<void>();
    const options: SimulationOptions = {
      instructions: 100,
      iterations: 2,
      change: (activities) => ({
        ...activities,
        inference: {
          ...activities.inference,
          async generatePairs(input) {
            await gate.promise;
            return activities.inference.generatePairs(input);
          },
        },
      }),
    };
    await withSimulation(options, async (client, input) => {
      const { address } = (client.connection as Connection).options;
      const program = (...args: string[]) => runBin(args, { TEMPORAL_ADDRESS: address });
      const first = await program('start', await file(input));
      assert.deepEqual([first.code, first.err], [0, '']);
      assert.match(first.out, new RegExp(`^Started the run simulated at ${address}, namespace default\\.\n`));
      assert.match(first.out, /^Follow it: npx self-taught-evaluator follow simulated$/m);
      const { runId } = await client.workflow.getHandle('simulated').describe();
      await waitForProgress(findRun(client, 'simulated'), stageStarted('generatePairs', 0));

      // Settings that do not affect the results may differ.
      const again = await program(
        'start',
        await file({ ...input, inference: { concurrentShards: 2 } }),
        '--json',
      );
      assert.deepEqual([again.code, again.err], [0, '']);
      assert.deepEqual(JSON.parse(again.out), {
        runName: 'simulated',
        kind: 'run',
        started: false,
        address,
        namespace: 'default',
      });
      assert.equal((await client.workflow.getHandle('simulated').describe()).runId, runId);

      const other = await program('start', await file({ ...input, judging: { samples: 7 }, seed: 3 }));
      assert.deepEqual([other.code, other.out], [2, '']);
      assert.match(other.err, /^The name "simulated" is taken by an open run with another configuration \(/);
      assert.match(other.err, /seed is 42 in that run and 3 in this one/);
      assert.match(other.err, /judging\.samples is \d+ in that run and 7 in this one/);

      const paused = await program('pause', 'simulated', '--reason', 'the GPU is needed');
      assert.deepEqual(
        [paused.code, paused.out],
        [0, 'simulated is paused: the GPU is needed.\n'],
        paused.err,
      );
      const twice = await program('pause', 'simulated');
      assert.deepEqual([twice.code, twice.out], [1, '']);
      assert.match(twice.err, /^The run simulated has been paused since .*: the GPU is needed\.$/m);

      const further = await program('set-iterations', 'simulated', '3', '--json');
      const state = JSON.parse(further.out) as RunProgress;
      assert.deepEqual(
        [state.runName, state.requestedIterations, state.paused?.reason],
        ['simulated', 3, 'the GPU is needed'],
      );
      const none = await program('set-iterations', 'simulated', '0');
      assert.equal(none.code, 1);
      assert.match(none.err, /^Iterations is 0, but must be a whole number from 1 to 100\.$/m);

      const resumed = await program('resume', 'simulated');
      assert.deepEqual([resumed.code, resumed.out], [0, 'simulated continues.\n']);
      const nothing = await program('resume', 'simulated', '--json');
      assert.deepEqual([nothing.code, nothing.out], [1, '']);
      assert.deepEqual(JSON.parse(nothing.err), {
        error: 'The run simulated is not paused, so there is nothing to resume.',
        exitReason: 'failed',
      });
      assert.equal(
        (await program('stop-after', 'simulated', '1')).out,
        'simulated will end after iteration 1.\n',
      );

      const following = startBin(['start', await file(input), '--follow', '--json'], {
        TEMPORAL_ADDRESS: address,
      });
      // A start after the run's end would begin another run.
      following.stdout?.once('data', () => gate.resolve());
      const followed = await resultOf(following);
      gate.resolve();
      assert.equal(followed.code, 0, followed.err);
      const lines = followed.out.trim().split('\n');
      const { status, completedIterations: completed } = JSON.parse(lines.at(-1) ?? '') as RunProgress;
      assert.deepEqual([status, completed.length], ['completed', 2]);
      const late = await program('pause', 'simulated');
      assert.equal(late.code, 1);
      assert.match(late.err, /^The run "simulated" has ended \(completed\)\.$/m);
    });
  });

  it('report a missing run, a rejected configuration and a missing worker, each with its exit code', async () => {
    const cluster = await startCluster();
    const endpoint = await startScriptedEndpoint({
      script: () => ({ kind: 'answer', texts: ['I prefer [[A]].'], finishReason: 'stop' }),
    });
    try {
      const program = (...args: string[]) => runBin(args, { TEMPORAL_ADDRESS: cluster.address });
      const tiny = tinyConfiguration('tiny', endpoint.baseUrl);
      const alone = await program('start', await file(tiny));
      assert.equal(alone.code, 0);
      assert.match(
        alone.err,
        /^No worker listens on the task queue self-taught-evaluator: .*self-taught-evaluator worker"/,
      );
      const unanswered = await program('pause', 'tiny');
      assert.equal(unanswered.code, 4);
      assert.match(unanswered.err, /^No worker has answered for tiny within 30 s, .* start a worker/);
      // The server lists a new run after a moment.
      const orders = ['pause', 'resume', 'cancel', 'follow'].map((order) => program(order, 'nobody'));
      for (const { code, out, err } of await Promise.all(orders)) {
        assert.deepEqual([code, out], [3, '']);
        const where = `There is no run "nobody" at ${cluster.address}, namespace default\\.`;
        assert.match(err, new RegExp(`${where}\nThe newest runs are:\n  tiny `));
      }
      const cancelled = await program('cancel', 'tiny');
      assert.equal(cancelled.code, 0, cancelled.err);

      cluster.startWorker('--roles', 'workflow,inference');
      const pool = { ...tiny.instructions, pool: ['no/such/pool.jsonl'] };
      const refused = await program(
        'start',
        await file({ ...tiny, runName: 'refused', instructions: pool }),
        '--follow',
      );
      assert.equal(refused.code, 1);
      assert.match(
        refused.err,
        /The run can't start because of 2 problems:\n {2}instructions\.pool\.0: no such file/,
      );

      const { serving, evaluation } = tiny;
      const judged = await file({ runName: 'judged-{date}', serving, evaluation });
      const started = await program('start', judged, '--json');
      const { runName, kind } = JSON.parse(started.out) as { runName: string; kind: string };
      assert.match(runName, /^judged-\d{4}-\d\d-\d\d$/);
      assert.equal(kind, 'evaluation');
      const paused = await program('pause', runName);
      assert.equal(paused.code, 2);
      assert.match(paused.err, /^judged-.* is an evaluation without training/);
      const followed = await program('start', judged, '--follow');
      assert.equal(followed.code, 0, followed.err);
      assert.match(followed.out, /│ validation +│/);
    } finally {
      await cluster.close();
      await endpoint.close();
    }
  });
});
