import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRun, type ConfigurationInput, type RunProgress } from '../../../src/client.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../../inference/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../../workflows/cluster.ts';
import { answersSlowly, hasBegun, progressUntil, tinyConfiguration } from '../../workflows/tiny-run.ts';
import { runProgram } from './program.ts';

describe('a run that is started and steered from the command line', function () {
  this.timeout(240_000);
  let folder: string;
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steering-'));
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({ script: answersSlowly });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  const program = (...args: string[]) => runProgram(args, { TEMPORAL_ADDRESS: cluster.address });

  async function file(configuration: object, name = 'run.json'): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, JSON.stringify(configuration));
    return path;
  }

  const tiny = (changes: Partial<ConfigurationInput> = {}) =>
    tinyConfiguration('tiny', endpoint.baseUrl, changes);

  it('is started once, says how to watch it and that no worker is there', async () => {
    const first = await program('start', await file(tiny()));
    assert.equal(first.code, 0, first.err);
    assert.match(
      first.out,
      new RegExp(`^Started the run tiny at ${cluster.address}, namespace default\\.\n`),
    );
    assert.match(first.out, /^Watch it: npx self-taught-evaluator follow tiny$/m);
    assert.match(first.err, /^No worker listens on the task queue self-taught-evaluator: .* worker"/);
    const { runId } = await cluster.client.workflow.getHandle('tiny').describe();

    cluster.startWorker();
    await progressUntil(findRun(cluster.client, 'tiny'), hasBegun('generatePairs', 0));
    // How it is carried out may differ.
    const again = await program('start', await file(tiny({ inference: { shardsAtOnce: 2 } })), '--json');
    assert.equal(again.code, 0, again.err);
    assert.deepEqual(JSON.parse(again.out), {
      runName: 'tiny',
      kind: 'run',
      started: false,
      address: cluster.address,
      namespace: 'default',
    });
    assert.equal(again.err, '');
    assert.equal((await cluster.client.workflow.getHandle('tiny').describe()).runId, runId);
  });

  it('is refused under a name that means something else, with the fields that differ', async () => {
    const { code, out, err } = await program('start', await file(tiny({ judging: { samples: 7 }, seed: 3 })));
    assert.deepEqual([code, out], [2, '']);
    assert.match(
      err,
      /^The name "tiny" is taken by a run under way with another configuration \(.*judging\.samples is 4 there, 7 here/,
    );
    assert.match(err, /seed is 42 there, 3 here/);
  });

  it('is paused with a reason, resumed, and told how far to go; what it refuses it says', async () => {
    const paused = await program('pause', 'tiny', '--reason', 'the GPU is needed');
    assert.deepEqual([paused.code, paused.out], [0, 'tiny is paused: the GPU is needed.\n'], paused.err);
    const again = await program('pause', 'tiny');
    assert.deepEqual([again.code, again.out], [1, '']);
    assert.match(again.err, /^The run tiny is paused already, since .*: the GPU is needed\.$/m);

    const further = await program('set-iterations', 'tiny', '3', '--json');
    const told = JSON.parse(further.out) as RunProgress;
    assert.deepEqual([told.runName, told.iterations, told.paused?.reason], ['tiny', 3, 'the GPU is needed']);
    const none = await program('set-iterations', 'tiny', '0');
    assert.equal(none.code, 1);
    assert.match(none.err, /iterations/);

    assert.equal((await program('resume', 'tiny')).out, 'tiny goes on.\n');
    const nothing = await program('resume', 'tiny', '--json');
    assert.equal(nothing.code, 1);
    assert.deepEqual(JSON.parse(nothing.err), {
      error: "The run tiny isn't paused: there is nothing to resume.",
      ending: 'failed',
    });
    assert.equal((await program('stop-after', 'tiny', '1')).out, 'tiny ends after iteration 1.\n');
  });

  it('ends as a start with --follow ends, and takes no orders afterwards', async () => {
    const followed = await program('start', await file(tiny({ iterations: 1 })), '--follow', '--json');
    assert.equal(followed.code, 0, followed.err);
    const seen = followed.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as RunProgress);
    assert.deepEqual([seen.at(-1)?.phase, seen.at(-1)?.completed.length], ['completed', 2]);

    const late = await program('pause', 'tiny');
    assert.equal(late.code, 1);
    assert.match(late.err, /^The run "tiny" has ended \(completed\)\.$/m);
  });

  it('is not there, or refused by its workers: each has its exit code', async () => {
    for (const order of [
      ['pause', 'nobody'],
      ['resume', 'nobody'],
      ['cancel', 'nobody'],
      ['set-iterations', 'nobody', '2'],
    ]) {
      const { code, out, err } = await program(...order);
      assert.deepEqual([code, out], [3, ''], order.join(' '));
      assert.match(
        err,
        new RegExp(
          `^There is no run "nobody" at ${cluster.address}, namespace default\\.\nThe newest runs there:`,
        ),
      );
    }
    const pool = { ...tiny().instructions, pool: ['no/such/pool.jsonl'] };
    const refused = await program(
      'start',
      await file({ ...tiny(), runName: 'refused', instructions: pool }),
      '--follow',
    );
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /The run can't start, one thing is wrong:\n {2}instructions\.pool\.0: no such file/,
    );
  });

  it('may be an evaluation without training, which can be cancelled, but not paused', async () => {
    const judge = { ...tiny(), runName: 'judged-{date}' } as Record<string, unknown>;
    const { runName, serving, evaluation } = judge;
    const started = await program('start', await file({ runName, serving, evaluation }), '--json');
    const { runName: name, kind } = JSON.parse(started.out) as { runName: string; kind: string };
    assert.match(name, /^judged-\d{4}-\d\d-\d\d$/);
    assert.equal(kind, 'evaluation');
    const paused = await program('pause', name);
    assert.equal(paused.code, 2);
    assert.match(paused.err, /is an evaluation without training/);
    const cancelled = await program('cancel', name);
    assert.equal(cancelled.code, 0, cancelled.err);
    assert.equal((await program('follow', name)).code, 1);
  });

  it('has no answer where no worker is: what was asked is said to be open', async () => {
    await cluster.stopWorkers();
    await program('start', await file({ ...tiny(), runName: 'alone' }));
    const { code, err } = await program('pause', 'alone');
    assert.equal(code, 4);
    assert.match(err, /^No worker has answered for alone within 30 s, .* start a worker/);
  });
});
