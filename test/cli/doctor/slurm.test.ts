import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEstimate } from '../../../src/api/estimate.ts';
import type { Finding } from '../../../src/cli/doctor/finding.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { NO_TEMPORAL, runCli } from '../../support/run-cli.ts';
import { startSlurm, whyNoSlurm, type SlurmCluster } from '../../support/slurm.ts';

describe('doctor and plan of a run that trains on Slurm', function () {
  this.timeout(300_000);
  let slurm: SlurmCluster;
  let folder: string;

  before(async function () {
    const reason = whyNoSlurm();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      return this.skip();
    }
    slurm = await startSlurm();
    folder = await mkdtemp(join(tmpdir(), 'doctor-slurm-'));
  });
  after(async () => {
    await slurm?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it('say where it trains, and when a job would start', async () => {
    const file = await configuration({ nodes: 2, partition: 'all' });
    const trainer =
      /^2 x 1 tasks on nodes of Slurm's partition all; a job submitted now would start at \S+ on n\[1-2\]$/;
    const { of } = await doctor(file);
    assert.equal(of('configuration')?.status, 'ok');
    assert.equal(of('fineTuning.launcher')?.status, 'ok');
    assert.match(of('fineTuning.launcher')?.detail.replace('trains on ', '') ?? '', trainer);
    const plan = await planOf(file);
    assert.match(plan.trainer ?? '', trainer);
    assert.deepEqual(plan.missing, []);
    assert.equal(plan.memory[0]?.devices, 2);
  });

  it("name what is missing, in Slurm's own words", async () => {
    for (const [launcher, environment, words] of [
      [{ partition: 'nowhere' }, {}, /Invalid partition name specified/],
      [{ nodes: 3 }, {}, /Requested node configuration is not available/],
      [{ time: 'soon' }, {}, /Invalid --time specification/],
      [
        {},
        { PATH: '/nowhere' },
        /there is no program sbatch on the PATH of the worker: install Slurm's client/,
      ],
    ] as const) {
      const file = await configuration(launcher);
      const { of, ok } = await doctor(file, environment);
      assert.equal(ok, false);
      const finding = of('fineTuning.launcher');
      assert.equal(finding?.status, 'missing');
      assert.match(finding.detail, words);
      const { missing, trainer } = await planOf(file, environment);
      assert.match(missing.find(({ path }) => path === 'fineTuning.launcher')?.message ?? '', words);
      assert.equal(trainer, undefined);
    }
  });

  async function configuration(launcher: object): Promise<string> {
    const example = await readFile(join(packageRoot, 'temporal/inputs/embedded.json'), 'utf8');
    const input = JSON.parse(example) as { fineTuning: object };
    const fineTuning = { ...input.fineTuning, launcher: { kind: 'slurm', ...launcher } };
    const file = join(folder, 'configuration.json');
    await writeFile(file, JSON.stringify({ ...input, fineTuning }));
    return file;
  }

  async function doctor(file: string, environment: NodeJS.ProcessEnv = {}) {
    const { ok, findings } = (await run(['doctor', file], environment)) as {
      ok: boolean;
      findings: Finding[];
    };
    return { ok, of: (what: string) => findings.find(({ check }) => check === what) };
  }

  async function planOf(file: string, environment: NodeJS.ProcessEnv = {}): Promise<RunEstimate> {
    return (await run(['plan', file], environment)) as RunEstimate;
  }

  async function run(command: string[], environment: NodeJS.ProcessEnv): Promise<unknown> {
    const { out } = await runCli([...command, '--store', join(folder, 'store'), '--json'], {
      ...NO_TEMPORAL,
      SELF_TAUGHT_EVALUATOR_POLICY: 'open',
      ...slurm.environment,
      HF_ENDPOINT: 'http://127.0.0.1:1',
      ...environment,
    });
    return JSON.parse(out);
  }
});
