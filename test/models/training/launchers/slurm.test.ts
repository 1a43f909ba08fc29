import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LauncherUnavailable, type JobState } from '../../../../src/models/training/launchers/launcher.ts';
import { slurmLauncher } from '../../../../src/models/training/launchers/slurm.ts';
import { openObjectStore } from '../../../../src/store/drivers.ts';
import { startSlurm, whyNoSlurm, type SlurmCluster } from '../../../support/slurm.ts';

/** A trainer that saves for a second when it is told to end. The signal may reach its child first. */
const STUB = `
trap 'kill $! 2>/dev/null; sleep 1; echo saved; exit 75' TERM
echo "rank \${RANK:-none} of \${WORLD_SIZE:-none} on $(hostname), master \${MASTER_ADDR:-none}, secret \${SECRET:-none}"
while true; do sleep 1000 & wait $!; done
`;

describe('the Slurm launcher', function () {
  this.timeout(600_000);
  let cluster: SlurmCluster;
  let folder: string;
  const original = process.env.SLURM_CONF;

  before(async function () {
    const reason = whyNoSlurm();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    cluster = await startSlurm();
    folder = await mkdtemp(join(tmpdir(), 'slurm-jobs-'));
    Object.assign(process.env, cluster.environment);
  });
  after(async () => {
    if (original === undefined) delete process.env['SLURM_CONF'];
    else process.env['SLURM_CONF'] = original;
    await cluster?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('starts a job once on the nodes that are asked for, finds it by its token, and sees its end', async () => {
    const { job, token, log } = await submit({ nodes: 2 });
    await reach(job, 'running');
    assert.equal(await slurmLauncher.find(token, openObjectStore(folder)), job);
    await eventually(async () => /rank 0/.test(await log()) && /rank 1/.test(await log()));
    assert.match(await log(), /rank 0 of 2 on n1, master n1, secret none/);
    assert.match(await log(), /rank 1 of 2 on n2, master n1, secret none/);
    // As at the time limit: the trainer is told to save.
    await cluster.run('scancel', '--signal=TERM', job);
    const gone = await reach(job, 'gone');
    assert.match(await log(), /saved/);
    assert.equal(gone.exitCode, 75);
    assert.equal(await slurmLauncher.find(randomUUID(), openObjectStore(folder)), undefined);
  });

  it('says why a job waits, and ends it in the queue', async () => {
    const first = await submit({ nodes: 2, tasksPerNode: 2 });
    await reach(first.job, 'running');
    const second = await submit({});
    const queued = await reach(second.job, 'queued');
    assert.match(queued.why, /^Slurm job \d+ is PENDING: (Resources|Priority|None)$/);
    await slurmLauncher.end(second.job, undefined);
    assert.equal((await reach(second.job, 'gone')).reason, 'cancelled');
    await slurmLauncher.end(first.job, undefined);
    await reach(first.job, 'gone');
  });

  it("fails for good in Slurm's own words if a submission is invalid", async () => {
    const isPermanent = (error: unknown) => !(error instanceof LauncherUnavailable);
    for (const [settings, words] of [
      [{ partition: 'nowhere' }, /Invalid partition name specified/],
      [{ gres: 'gpu:8' }, /Invalid generic resource \(gres\) specification/],
      [{ options: ['--no-such-option'] }, /unrecognized option '--no-such-option'/],
    ] as const) {
      const { problems } = await check(settings);
      assert.match(problems.join(), words);
      await assert.rejects(submit(settings), (error: Error) => {
        assert.match(error.message, words);
        return isPermanent(error);
      });
    }
    // Slurm accepts it, but would let it wait for ever.
    const { problems } = await check({ nodes: 3 });
    assert.match(problems.join(), /Requested node configuration is not available/);
    assert.deepEqual((await check({ nodes: 2, partition: 'all' })).problems, []);
  });

  it('refuses several nodes if the store is in a bucket, and keeps no log where no node sees it', async () => {
    const { problems } = await check({ nodes: 2 }, true);
    assert.match(
      problems.join(),
      /launcher\.nodes is 2, but with a store in a bucket a training runs on one node/,
    );
    assert.deepEqual((await check({ tasksPerNode: 2 }, true)).problems, []);
    const token = randomUUID();
    const job = await slurmLauncher.submit({
      settings: settingsOf({ command: ['sleep', '1000'] }),
      ...{
        machine: machine(),
        token,
        jobFile: `memory:${token}/starts/a/job.json`,
        files: openObjectStore(`memory:${token}/starts/a`),
        logFile: '/no/folder/log',
      },
    });
    await reach(job, 'running');
    assert.match(await cluster.run('scontrol', 'show', 'job', job), /StdOut=\/dev\/null/);
    await slurmLauncher.end(job, undefined);
  });

  it('reports a node that is gone', async () => {
    const { job } = await submit({ options: ['--nodelist=n2'] });
    await reach(job, 'running');
    await cluster.killNode('n2');
    const gone = await reach(job, 'gone');
    assert.equal(gone.reason, 'node-lost', gone.message);
    await cluster.startNode('n2');
    await eventually(async () => (await cluster.run('sinfo', '-h', '-o', '%D', '-t', 'idle')) === '2');
  });

  it('does not take a job for gone while the controller is down, and refuses a submission only for now', async () => {
    const { job } = await submit({});
    await reach(job, 'running');
    await sleep(3000); // A controller that is killed within two seconds forgets the job's start.
    await cluster.killController();
    const unseen = await slurmLauncher.look(job);
    assert(unseen.phase === 'queued');
    assert.match(
      unseen.why,
      /^Slurm does not answer about its job \d+: .*Unable to contact slurm controller/,
    );
    await assert.rejects(submit({}), LauncherUnavailable);
    await cluster.startController();
    await reach(job, 'running');
    await slurmLauncher.end(job, undefined);
  });

  type Settings = Parameters<typeof slurmLauncher.configuration.parse>[0];

  function settingsOf(settings: Settings) {
    return slurmLauncher.configuration.parse({
      kind: 'slurm',
      command: ['bash', '{job}'],
      ...(settings as object),
    });
  }

  function machine() {
    const environment = { PATH: process.env.PATH, SECRET: 'not for jobs', ...cluster.environment };
    return { python: 'python3', packageRoot: folder, environment };
  }

  async function submit(settings: Settings) {
    const token = randomUUID();
    const start = join(folder, token);
    await mkdir(start);
    const [jobFile, logFile] = [join(start, 'job.json'), join(start, 'log')];
    await writeFile(jobFile, STUB);
    const request = { machine: machine(), token, jobFile, files: openObjectStore(start), logFile };
    const job = await slurmLauncher.submit({ settings: settingsOf(settings), ...request });
    return { job, token, log: () => readFile(logFile, 'utf8').catch(() => '') };
  }

  function check(settings: Settings, isStoreRemote = false) {
    return slurmLauncher.check({
      settings: settingsOf(settings),
      isStoreRemote,
      ...{ machine: machine(), baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [] },
    });
  }
});

/** Waits until the job is in the phase. */
async function reach<Phase extends JobState['phase']>(job: string, phase: Phase) {
  for (;;) {
    const state = await slurmLauncher.look(job);
    if (state.phase === phase) return state as Extract<JobState, { phase: Phase }>;
    assert.notEqual(state.phase, 'gone', JSON.stringify(state));
    await sleep(200);
  }
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(100);
}
