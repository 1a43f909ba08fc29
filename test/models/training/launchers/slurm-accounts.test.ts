import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LauncherUnavailable } from '../../../../src/models/training/launchers/launcher.ts';
import { slurmLauncher } from '../../../../src/models/training/launchers/slurm.ts';
import { openObjectStore } from '../../../../src/store/drivers.ts';
import { startAccounting, whyNoAccounting } from '../../../support/slurm-accounting.ts';
import { startSlurm, type SlurmCluster } from '../../../support/slurm.ts';

describe('the Slurm launcher and accounts', function () {
  this.timeout(600_000);
  let cluster: SlurmCluster;
  let stopAccounting: () => Promise<void>;
  const original = process.env.SLURM_CONF;

  before(async function () {
    const reason = whyNoAccounting();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    cluster = await startSlurm();
    Object.assign(process.env, cluster.environment);
    stopAccounting = await startAccounting(cluster);
    await manage('add', 'account', 'judges');
    await manage('add', 'user', 'root', 'account=judges');
    await eventually(async () => (await check({})).problems.length === 0);
  });
  after(async () => {
    if (original === undefined) delete process.env['SLURM_CONF'];
    else process.env['SLURM_CONF'] = original;
    await stopAccounting?.();
    await cluster?.close();
  });

  it("fails for good in Slurm's own words if an account or a quality of service is refused", async () => {
    for (const [settings, words] of [
      [{ account: 'nobody' }, /Invalid account or account\/partition combination specified/],
      [{ qos: 'nothing' }, /Invalid qos specification/],
    ] as const) {
      assert.match((await check(settings)).problems.join(), words);
      await assert.rejects(submit(settings), (error: Error) => {
        assert.match(error.message, words);
        return !(error instanceof LauncherUnavailable);
      });
    }
    assert.deepEqual((await check({ account: 'judges' })).problems, []);
  });

  it('waits for the limits of an account, before the submission and in the queue', async () => {
    const judges = { account: 'judges' };
    const first = await submit(judges);
    await limit('MaxJobs=1');
    const second = await submit(judges);
    await eventually(async () => {
      const state = await slurmLauncher.look(second);
      return state.phase === 'queued' && state.why.endsWith('PENDING: AssocMaxJobsLimit');
    });
    await limit('MaxSubmitJobs=2');
    await assert.rejects(submit(judges), (error: Error) => {
      assert.match(error.message, /AssocMaxSubmitJobLimit/);
      return error instanceof LauncherUnavailable;
    });
    await manage('modify', 'account', 'judges', 'set', 'MaxJobs=-1');
    await eventually(async () => (await slurmLauncher.look(second)).phase === 'running');
    for (const job of [first, second]) await slurmLauncher.end(job, undefined);
  });

  /** Limits the account, and waits until the controller has learned it. */
  async function limit(setting: string): Promise<void> {
    await manage('modify', 'account', 'judges', 'set', setting);
    await eventually(async () => {
      const accounts = await cluster.run('scontrol', 'show', 'assoc_mgr', 'flags=assoc', 'users=root');
      return accounts.includes(`${setting}(`);
    });
  }

  const manage = (...change: string[]) => cluster.run('sacctmgr', '-i', ...change);

  type Settings = Record<string, unknown>;

  function settingsOf(settings: Settings) {
    return slurmLauncher.configuration.parse({ kind: 'slurm', command: ['bash', '{job}'], ...settings });
  }

  function machine() {
    const environment = { PATH: process.env.PATH, ...cluster.environment };
    return { python: 'python3', packageRoot: cluster.folder, environment };
  }

  function check(settings: Settings) {
    return slurmLauncher.check({
      settings: settingsOf(settings),
      ...{ machine: machine(), baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [] },
      storeFolder: cluster.folder,
    });
  }

  async function submit(settings: Settings): Promise<string> {
    const token = randomUUID();
    const folder = join(cluster.folder, token);
    await mkdir(folder);
    const [jobFile, logFile] = [join(folder, 'job.json'), join(folder, 'log')];
    await writeFile(jobFile, 'sleep 1000');
    return slurmLauncher.submit({
      settings: settingsOf(settings),
      ...{ machine: machine(), token, jobFile, files: openObjectStore(folder), logFile },
    });
  }
});

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(200);
}
