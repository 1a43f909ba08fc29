import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { freePorts } from '../../src/platform/ports.ts';
import { isTemporalReachable } from '../../src/cli/temporal/dev-server.ts';
import { runBin, startBin } from '../support/run-cli.ts';

describe('the servers of the command line', function () {
  this.timeout(300_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'servers-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** Parses the first line of the output. */
  async function firstLine(child: ChildProcess): Promise<Record<string, unknown>> {
    const [line] = (await once(createInterface({ input: child.stdout as Readable }), 'line')) as [string];
    return JSON.parse(line) as Record<string, unknown>;
  }

  async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    return child.exitCode;
  }

  it('print their addresses, reject a port that is in use, and end normally on a signal', async () => {
    const [port, ui, http] = (await freePorts(3)).map(String);
    const ports = ['--port', port ?? '', '--ui-port', ui ?? '', '--http-port', http ?? ''];
    const temporal = startBin(['temporal', ...ports, '--db-filename', join(folder, 'temporal.db'), '--json']);
    try {
      const { address, uiUrl } = await firstLine(temporal);
      assert.deepEqual([address, uiUrl], [`127.0.0.1:${port}`, `http://127.0.0.1:${ui}`]);
      const second = await runBin(['temporal', ...ports, '--db-filename', join(folder, 'other.db')]);
      assert.equal(second.code, 1);
      assert.match(
        second.err,
        /^Port \d+ for the Temporal server is in use: a Temporal server already answers/,
      );

      const store = join(folder, 'store');
      const worker = startBin(['worker', '--roles', 'inference', '--json', '--log-format', 'json'], {
        SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: port,
        SELF_TAUGHT_EVALUATOR_STORE: store,
        SELF_TAUGHT_EVALUATOR_TASK_QUEUE: 'a-queue',
      });
      const log = createInterface({ input: worker.stderr as Readable });
      const settings = firstLine(worker);
      for await (const line of log) if (line.includes('worker with roles inference on queue a-queue')) break;
      const { roles, taskQueue, storeRoot } = await settings;
      assert.deepEqual([roles, taskQueue, storeRoot], [['inference'], 'a-queue', store]);
      worker.stderr?.resume();
      assert.equal(await ended(worker, 'SIGTERM'), 0);
      assert.equal(await ended(temporal, 'SIGINT'), 0);
      assert.equal(await isTemporalReachable(String(address)), false);
    } finally {
      temporal.kill('SIGTERM');
    }
  });
});
