import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { NativeConnection } from '@temporalio/worker';
import { tryRunCommand } from '../../src/cli/setup/run-command.ts';
import { ensureTemporalCli } from '../../src/cli/setup/temporal-cli.ts';
import { registeredSearchAttributes } from '../../src/temporal/search-attributes.ts';
import { type WorkerOptionTexts, WORKER_OPTIONS } from '../../src/worker/options.ts';
import { parseWorkerSettings } from '../../src/worker/settings.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { fencedBlocks } from './fenced-blocks.ts';

const run = promisify(execFile);

const OPTIONS = Object.fromEntries(
  Object.entries(WORKER_OPTIONS).map(([name, option]) => [name, { ...option, type: 'string' as const }]),
);

describe('docs/deploy.md', function () {
  this.timeout(180_000);
  let folder: string;
  let cluster: Cluster;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deploy-'));
    cluster = await startCluster();
  });

  after(async () => {
    await cluster.close();
    await rm(folder, { recursive: true });
  });

  it('has commands that create a namespace with all search attributes a worker needs', async () => {
    const blocks = fencedBlocks(join(packageRoot, 'docs/deploy.md'));
    const block = blocks.find(({ text }) => text.startsWith('temporal operator namespace create'));
    assert(block !== undefined);
    const [makeNamespace = '', addAttributes = ''] = block.text.split(/\n(?=temporal)/);
    const path = `${dirname(await ensureTemporalCli())}${delimiter}${process.env['PATH'] ?? ''}`;
    const env = { ...process.env, PATH: path, TEMPORAL_ADDRESS: cluster.address };
    await run('bash', ['-c', makeNamespace], { env });
    for (;;) {
      // The server's services notice a new namespace after a short delay.
      const added = await run('bash', ['-c', addAttributes], { env }).catch(
        (error: { stderr: string }) => error,
      );
      if (!(added instanceof Error)) break;
      assert.match(added.stderr, /judges/);
      await sleep(200);
    }
    const connection = await NativeConnection.connect({ address: cluster.address });
    try {
      const warnings: string[] = [];
      const found = await registeredSearchAttributes(connection, 'judges', (line) => warnings.push(line));
      assert.deepEqual(warnings, []);
      assert.equal(found.length, 6);
    } finally {
      await connection.close();
    }
  });

  it('has a systemd unit without errors or warnings, which uses only existing options of the worker', async function () {
    const unit = await readFile(join(packageRoot, 'temporal/systemd/self-taught-evaluator@.service'), 'utf8');
    assert.match(unit, /^KillMode=process$/m);
    const [, options = ''] = /^ExecStart=.* worker (.*)$/m.exec(unit) ?? [];
    for (const role of ['workflow', 'inference', 'gpu']) {
      const { values } = parseArgs({ args: options.replaceAll('%i', role).split(' '), options: OPTIONS });
      const settings = parseWorkerSettings(values as unknown as WorkerOptionTexts, 'python3', {});
      assert.deepEqual([settings.roles, settings.onShutdown], [[role], 'leave']);
      const [, stopSeconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
      assert(Number(stopSeconds) > settings.shutdownGraceSeconds);
    }
    if ((await tryRunCommand('systemd-analyze', ['--version'])) === undefined) {
      console.log('      systemd is not installed, so only the options are checked');
      this.skip();
    }
    const file = join(folder, 'self-taught-evaluator@gpu.service');
    // This machine lacks the Node.js path and the user of the machine that the unit is installed on.
    const here = unit.replace('/usr/bin/node', process.execPath).replace(/^User=.*$/m, 'User=root');
    await writeFile(file, here);
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
    assert.equal(stdout + stderr, '');
  });
});
