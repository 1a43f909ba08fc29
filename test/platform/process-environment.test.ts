/** Variables of the worker that a process must not see, looked for in real processes. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../src/cli/setup/run-command.ts';
import { connect } from '../../src/models/training/launchers/kubernetes-connection.ts';
import { processLauncher } from '../../src/models/training/launchers/process.ts';
import { trainerUses } from '../../src/models/training/launchers/trainer-command.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import {
  PASS_VARIABLE,
  processEnvironment,
  VARIABLE_GROUPS,
  type VariableGroup,
} from '../../src/platform/process-environment.ts';
import { readSlurmJob } from '../../src/platform/slurm.ts';
import { openObjectStore } from '../../src/store/drivers.ts';
import { restoreEnvironment } from '../support/restore-environment.ts';

/** One of each kind, and settings that a training needs. */
const SECRETS = {
  TEMPORAL_API_KEY: 'of Temporal',
  TEMPORAL_TLS_CLIENT_KEY_DATA: 'of Temporal',
  OPENAI_API_KEY: 'of an endpoint',
  JUDGE_KEY: 'of an endpoint',
  AWS_SECRET_ACCESS_KEY: 'of a bucket',
  HF_TOKEN: 'of the hub',
  WANDB_API_KEY: 'of a tracker',
  MLFLOW_TRACKING_TOKEN: 'of a tracker',
  GOOGLE_APPLICATION_CREDENTIALS: 'of a cloud',
  DATABASE_URL: 'postgres://user:password@host',
  VLLM_API_KEY: 'of a server',
  UV_INDEX_OWN_PASSWORD: 'of a mirror',
};
const SETTINGS = { CUDA_VISIBLE_DEVICES: '0', NCCL_DEBUG: 'INFO', UCX_TLS: 'tcp', HF_HOME: '/models' };
const WORKER = { PATH: process.env['PATH'], ...SECRETS, ...SETTINGS };

function namesIn(text: string): string[] {
  const names = text.split('\n').map((line) => line.split('=')[0] ?? '');
  return names.filter((name) => name in SECRETS || name in SETTINGS || name === 'MY_SETTING').sort();
}

describe('the environment of a process that a run starts', () => {
  let folder: string;
  const original = { ...process.env };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'process-environment-'));
    Object.assign(process.env, WORKER);
  });
  afterEach(async () => {
    restoreEnvironment(original);
    await rm(folder, { recursive: true });
  });

  /** The variables that a trainer sees. */
  async function trainerSees(options: {
    readonly base?: string;
    readonly trackers?: readonly string[];
    readonly usesBucket?: boolean;
    readonly more?: object;
  }): Promise<string[]> {
    const { base = '/models/base', trackers = [], usesBucket = false, more = {} } = options;
    const jobFile = join(folder, 'job.sh');
    const seen = join(folder, 'seen');
    await writeFile(jobFile, `env > ${seen}.tmp; mv ${seen}.tmp ${seen}`);
    await rm(seen, { force: true });
    const environment = { ...WORKER, ...more };
    const machine = { python: 'python3', packageRoot, environment, usesBucket };
    await processLauncher.submit({
      settings: { kind: 'process', command: ['sh', '{job}'] },
      machine: { ...machine, ...trainerUses(base, trackers) },
      ...{ token: 'token', jobFile, files: openObjectStore(folder), logFile: join(folder, 'log') },
    });
    for (;;) {
      const text = await readFile(seen, 'utf8').catch(() => undefined);
      if (text !== undefined) return namesIn(text);
      await sleep(10);
    }
  }
  const settings = Object.keys(SETTINGS).sort();

  it('of a trainer has the settings of GPUs and network, and no key that it does not need', async () => {
    assert.deepEqual(await trainerSees({}), settings);
    assert.deepEqual(await trainerSees({ base: 'owner/model' }), [...settings, 'HF_TOKEN'].sort());
    assert.deepEqual(await trainerSees({ trackers: ['wandb'] }), [...settings, 'WANDB_API_KEY'].sort());
    assert.deepEqual(
      await trainerSees({ trackers: ['mlflow'] }),
      [...settings, 'MLFLOW_TRACKING_TOKEN'].sort(),
    );
    assert.deepEqual(
      await trainerSees({ usesBucket: true, base: 's3://bucket/model' }),
      [...settings, 'AWS_SECRET_ACCESS_KEY'].sort(),
    );
  });

  it('also has what the operator names, a key only under its whole name', async () => {
    const names = (pass: string) => trainerSees({ more: { MY_SETTING: 'x', [PASS_VARIABLE]: pass } });
    assert.deepEqual(await names('MY_*, JUDGE_*, T*'), [...settings, 'MY_SETTING'].sort());
    assert.deepEqual(await names('JUDGE_KEY'), [...settings, 'JUDGE_KEY'].sort());
    for (const wrong of ['*', 'A B', 'TEMPORAL_API_KEY', 'TEMPORAL_*'])
      assert.throws(() => processEnvironment({ [PASS_VARIABLE]: wrong }), {
        name: 'SettingError',
        message: new RegExp(wrong.replaceAll('*', String.raw`\*`)),
      });
  });

  it('of a command of Slurm has nothing but the cluster', async () => {
    const seen = join(folder, 'seen');
    await writeFile(join(folder, 'scontrol'), `#!/bin/sh\nenv > ${seen}\necho JobState=RUNNING\n`, {
      mode: 0o755,
    });
    process.env['PATH'] = `${folder}:${process.env['PATH']}`;
    process.env['SLURM_CONF'] = '/etc/slurm/slurm.conf';
    await readSlurmJob('1');
    const text = await readFile(seen, 'utf8');
    assert.deepEqual(namesIn(text), []);
    assert.match(text, /^SLURM_CONF=/m);
  });

  it('of a program of a kubeconfig has the keys of clouds and no others', async () => {
    const seen = join(folder, 'seen');
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' };
    const answer = JSON.stringify({ ...credential, status: { token: 'abc' } });
    const exec = {
      apiVersion: credential.apiVersion,
      command: 'sh',
      args: ['-c', `env > ${seen}; echo '${answer}'`],
    };
    const kubeconfig = {
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'u', user: { exec } }],
    };
    await writeFile(join(folder, 'config'), JSON.stringify(kubeconfig));
    const { authorization } = await connect({
      context: null,
      environment: { KUBECONFIG: join(folder, 'config') },
    });
    assert.equal(authorization, 'Bearer abc');
    assert.deepEqual(namesIn(await readFile(seen, 'utf8')), [
      'AWS_SECRET_ACCESS_KEY',
      'GOOGLE_APPLICATION_CREDENTIALS',
    ]);
  });

  it('of a command of the set-up has the keys of mirrors and no others', async () => {
    const names = namesIn(await runCommand('env', []));
    assert.deepEqual(names, ['CUDA_VISIBLE_DEVICES', 'HF_HOME', 'UV_INDEX_OWN_PASSWORD']);
  });

  it('is what docs/operations.md says', async () => {
    const text = await readFile(join(packageRoot, 'docs', 'operations.md'), 'utf8');
    const section = text.split('\n## ').find((part) => part.startsWith('Variables of processes')) ?? '';
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('| ') && line.includes('`'))
      .map((line) => line.split('|'));
    const groups = Object.keys(VARIABLE_GROUPS) as VariableGroup[];
    const expected = groups.map((group) => {
      const { variables, withKeys = false } = VARIABLE_GROUPS[group] as {
        variables: string;
        withKeys?: boolean;
      };
      return [withKeys, variables.split(' ')];
    });
    assert.deepEqual(
      rows.map(([, who = '', variables = '']) => [
        who.includes('†'),
        [...variables.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
      ]),
      expected,
    );
  });
});
