import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { Connection } from '@temporalio/client';
import { freePorts } from '../../../src/platform/ports.ts';
import { freeServerPorts } from '../../../tools/setup/free-ports.ts';
import { withSimulation, type SimulationOptions } from '../../../bench/simulation/simulated-run.ts';
import { startDevServer, type DevServer } from '../../../src/cli/temporal/dev-server.ts';
import { startRun, type RunProgress } from '../../../src/client/index.ts';
import { startScriptedEndpoint } from '../../support/scripted-endpoint.ts';
import { startCluster } from '../../support/cluster.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';

const ESCAPE = '\u001b';

/** Runs the command `follow` in a separate process. */
class Follower {
  readonly child: ChildProcess;
  out = '';
  err = '';
  /** True once it has ended and all of its output was read. */
  #isClosed = false;

  /** @param columns the width of its terminal; without it the output goes to pipes */
  constructor(address: string, args: string[], options: { columns?: number; env?: NodeJS.ProcessEnv } = {}) {
    const { columns, env = {} } = options;
    const follow = [
      process.execPath,
      join(packageRoot, 'tools', 'bootstrap.mjs'),
      'src/cli/main.ts',
      'follow',
      ...args,
    ];
    const onTerminal = [
      process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3',
      join(packageRoot, 'test', 'support', 'run_in_terminal.py'),
      String(columns),
      '30',
    ];
    const [program = '', ...rest] = columns === undefined ? follow : [...onTerminal, ...follow];
    const { CI: _, NO_COLOR: __, FORCE_COLOR: ___, ...environment } = process.env;
    this.child = spawn(program, rest, {
      cwd: packageRoot,
      env: { ...environment, TERM: 'xterm-256color', TEMPORAL_ADDRESS: address, ...env },
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.out += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.err += text));
    this.child.on('close', () => (this.#isClosed = true));
  }

  /** The output without escape codes. */
  get text(): string {
    return stripVTControlCharacters(this.out + this.err);
  }

  async until(pattern: RegExp): Promise<void> {
    for (const deadline = Date.now() + 150_000; !pattern.test(this.text); await sleep(50))
      if (Date.now() > deadline || this.#isClosed)
        throw new Error(`no match for ${pattern} in:\n${this.text}`);
  }

  async ended(): Promise<number | null> {
    if (!this.#isClosed) await once(this.child, 'close');
    return this.child.exitCode;
  }
}

describe('the command follow', function () {
  this.timeout(600_000);

  it('shows bars on a terminal and lines in a pipe, ends with the result, and lets the run continue after Ctrl-C', async () => {
    const gate = Promise.withResolvers<void>();
    let judged = 0;
    const options: SimulationOptions = {
      instructions: 2000,
      iterations: 1,
      change: (activities) => ({
        ...activities,
        inference: {
          ...activities.inference,
          async judgePairs(input) {
            if ((judged += 1) > 3) await gate.promise;
            return activities.inference.judgePairs(input);
          },
        },
      }),
    };
    await withSimulation(options, async (client, input) => {
      const { address } = (client.connection as Connection).options;
      const run = await startRun(client, input);
      const wide = new Follower(address, ['simulated'], { columns: 120 });
      const narrow = new Follower(address, ['simulated'], { columns: 40, env: { NO_COLOR: '1' } });
      const piped = new Follower(address, ['simulated']);
      const json = new Follower(address, ['simulated', '--json']);
      await wide.until(/judgePairs +█+░+ 3\/10 shards {2}[\d.]+k? judgments\/s .* left/);
      assert(wide.out.includes(`${ESCAPE}[36m█`), 'in colour');
      assert.match(wide.text, /iteration 0 {2}generatePairs .*2,000 pairs/);
      await narrow.until(/judgePairs █+░+ 3\/10/);
      await json.until(/"name":"judgePairs"[^{}]*"done":3\b/);
      assert.equal(narrow.out.includes(`${ESCAPE}[36m`), false, 'NO_COLOR');

      narrow.child.stdin?.write('\u0003');
      assert.equal(await narrow.ended(), 130);
      assert.match(narrow.text, /The run simulated continues\./);
      for (const command of ['follow', 'pause', 'resume', 'cancel'])
        assert.match(narrow.text, new RegExp(`npx self-taught-evaluator ${command} simulated`));
      assert(narrow.out.trimEnd().endsWith(`${ESCAPE}[?25h`), 'the cursor is shown again');
      assert.equal((await run.progress()).status, 'running');

      const missing = new Follower(address, ['simulatd']);
      assert.equal(await missing.ended(), 3);
      assert.match(missing.err, new RegExp(`There is no run "simulatd" at ${address}, namespace default\\.`));
      assert.match(missing.err, /^ {2}simulated {2}running, started /m);

      gate.resolve();
      assert.deepEqual(await Promise.all([wide.ended(), piped.ended(), json.ended()]), [0, 0, 0]);
      assert.match(wide.text, /M_1 on test: accuracy 81\.3%, in both orders 71\.2%/);
      assert.match(wide.text, /│ M_1 \(best\) │/);

      assert.equal((piped.out + piped.err).includes(ESCAPE), false, 'no escape codes');
      assert.match(piped.err, /^ {2}iteration 1 {2}judgePairs .* 60,000 judgments, 50\.0% correct$/m);
      assert.equal(piped.err.match(/judgePairs .*judgments,/g)?.length, 1);
      assert.match(piped.out, /│ M_1 \(best\) │/);

      assert.equal(json.err, '');
      const seen = json.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as RunProgress);
      assert.equal(seen.at(-1)?.status, 'completed');

      const afterwards = new Follower(address, ['simulated']);
      assert.equal(await afterwards.ended(), 0);
      assert.match(afterwards.err, /iteration 1 {2}judgePairs .* 60,000 judgments, 50\.0% correct/);
    });
  });

  it('reports and survives outages of the worker and the server, and shows an evaluation and the failure of a run', async () => {
    let server: DevServer | undefined;
    let restart = async () => {};
    const cluster = await startCluster(async (folder) => {
      const options = { ports: await freeServerPorts(), databaseFile: join(folder, 'temporal.db') };
      server = await startDevServer(options);
      restart = async () => void (server = await startDevServer(options));
      return { address: server.address, stop: async () => server?.stop() };
    });
    const endpoint = await startScriptedEndpoint({
      script: () => ({ kind: 'answer', texts: ['I prefer [[A]].'], finishReason: 'stop' }),
    });
    try {
      const { client, address, taskQueue } = cluster;
      const path = 'embedded/benchmark/validation.jsonl';
      const input = {
        runName: 'hosted',
        serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'some-judge' },
        evaluation: { benchmarks: [{ name: 'shown', format: 'reward-bench', path, purpose: 'test' }] },
      };
      // Its workflow id differs from its name, as when it is started by the Temporal CLI.
      await client.workflow.start('evaluateJudge', { workflowId: 'some-id', taskQueue, args: [input] });
      const follower = new Follower(address, ['some-id']);
      await follower.until(
        /No worker has answered since [\d:]+: no worker with role workflow .*: start one with ".*Then the run continues/,
      );
      await server?.stop();
      await follower.until(/The Temporal server at [\d.:]+ has not answered since/);
      await restart();
      cluster.startWorker('--roles', 'workflow,inference');
      // The run may end before the next poll.
      await follower.until(/The (server|worker) answers again|│ shown/);
      assert.equal(await follower.ended(), 0, follower.text);
      assert.match(follower.err, /M_0 on shown: accuracy 50\.0%, in both orders 0\.0%/);
      assert.match(follower.out, /│ shown +│ .*│ +50\.0% │ +0\.0% │/);
      // A busy server may be silent again after it has answered.
      assert.doesNotMatch(follower.err, /The Temporal server(?:(?!answers again)[^])*The Temporal server/);

      const byName = new Follower(address, ['hosted']);
      assert.equal(await byName.ended(), 0, byName.text);

      const refused = { runName: 'refused', iterations: 0 };
      await client.workflow.start('selfTaughtEvaluator', {
        workflowId: 'refused',
        taskQueue,
        args: [refused],
      });
      const failed = new Follower(address, ['refused']);
      assert.equal(await failed.ended(), 1);
      assert.match(failed.err, /The run can't start because of \d+ problems:\n {2}\w+/);
    } finally {
      await cluster.close();
      await endpoint.close();
    }
  });

  it('says what to set if no server answers', async () => {
    const [port] = await freePorts(1);
    const follower = new Follower('', ['any'], {
      env: { SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: String(port) },
    });
    assert.equal(await follower.ended(), 4);
    assert.match(follower.err, new RegExp(`No Temporal server answers at 127\\.0\\.0\\.1:${port} `));
    assert.match(
      follower.err,
      /npx self-taught-evaluator temporal.*TEMPORAL_ADDRESS.*SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT/,
    );
  });
});
