import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { Connection } from '@temporalio/client';
import { freePorts, freeServerPorts } from '../../../scripts/setup/free-ports.ts';
import { withSimulation, type SimulationOptions } from '../../../bench/simulation/simulated-run.ts';
import { startTemporal, type DevServer } from '../../../scripts/setup/dev-server.ts';
import { startRun, type RunProgress } from '../../../src/client.ts';
import { startScriptedEndpoint } from '../../inference/scripted-endpoint.ts';
import { packageRoot, startCluster } from '../../workflows/cluster.ts';

const ESCAPE = '\u001b';

/** `npm run follow` in a process of its own. */
class Follower {
  readonly child: ChildProcess;
  out = '';
  err = '';

  /** @param columns of the terminal that it gets; without, it writes into pipes */
  constructor(address: string, args: string[], options: { columns?: number; env?: NodeJS.ProcessEnv } = {}) {
    const { columns, env = {} } = options;
    const follow = [
      process.execPath,
      join(packageRoot, 'scripts', 'bootstrap.mjs'),
      'cli',
      'follow',
      ...args,
    ];
    const onTerminal = [
      process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3',
      join(import.meta.dirname, 'on_terminal.py'),
      String(columns),
      '30',
    ];
    const [program = '', ...rest] = columns === undefined ? follow : [...onTerminal, ...follow];
    const { CI: _, NO_COLOR: __, FORCE_COLOR: ___, ...environment } = process.env;
    this.child = spawn(program, rest, {
      cwd: packageRoot,
      env: { ...environment, TERM: 'xterm-256color', TEMPORAL_ADDRESS: address, ...env },
    });
    this.child.stdout?.on('data', (data: Buffer) => (this.out += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.err += data.toString()));
  }

  /** What a terminal was sent, without its escape codes. */
  get text(): string {
    return stripVTControlCharacters(this.out + this.err);
  }

  async until(pattern: RegExp): Promise<void> {
    for (const deadline = Date.now() + 60_000; !pattern.test(this.text); await sleep(50))
      if (Date.now() > deadline || this.child.exitCode !== null)
        throw new Error(`waited in vain for ${pattern} in:\n${this.text}`);
  }

  async ended(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'close');
    return this.child.exitCode;
  }
}

describe('npm run follow', function () {
  this.timeout(180_000);

  it('shows bars on a terminal and lines elsewhere, ends with the result, and lets the run go on after Ctrl-C', async () => {
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
      assert.equal(narrow.out.includes(`${ESCAPE}[36m`), false, 'NO_COLOR');

      narrow.child.stdin?.write('\u0003');
      assert.equal(await narrow.ended(), 130);
      assert.match(narrow.text, /The run simulated goes on\./);
      for (const command of ['follow', 'pause', 'resume', 'cancel'])
        assert.match(narrow.text, new RegExp(`npx self-taught-evaluator ${command} simulated`));
      assert(narrow.out.trimEnd().endsWith(`${ESCAPE}[?25h`), 'the cursor is shown again');
      assert.equal((await run.progress()).phase, 'working');

      const missing = new Follower(address, ['simulatd']);
      assert.equal(await missing.ended(), 3);
      assert.match(missing.err, new RegExp(`There is no run "simulatd" at ${address}, namespace default\\.`));
      assert.match(missing.err, /^ {2}simulated {2}running, started /m);

      gate.resolve();
      assert.deepEqual(await Promise.all([wide.ended(), piped.ended(), json.ended()]), [0, 0, 0]);
      assert.match(wide.text, /M_1 on test: accuracy 81\.3%, in both orders 71\.2%/);
      assert.match(wide.text, /│ M_1 \(best\) │/);

      assert.equal((piped.out + piped.err).includes(ESCAPE), false, 'no escape codes');
      assert.match(piped.err, /^ {2}iteration 1 {2}judgePairs .* 60,000 judgments, 50\.0% right$/m);
      assert.equal(piped.err.match(/judgePairs .*judgments,/g)?.length, 1);
      assert.match(piped.out, /│ M_1 \(best\) │/);

      assert.equal(json.err, '');
      const seen = json.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as RunProgress);
      assert.equal(seen.at(-1)?.phase, 'completed');
      assert(seen.some(({ stages }) => stages.some(({ name, done }) => name === 'judgePairs' && done === 3)));

      const afterwards = new Follower(address, ['simulated']);
      assert.equal(await afterwards.ended(), 0);
      assert.match(afterwards.err, /iteration 1 {2}judgePairs .* 60,000 judgments, 50\.0% right/);
    });
  });

  it('waits for the worker and the server, says so, and shows an evaluation and why a run failed', async () => {
    let server: DevServer | undefined;
    let restart = async () => {};
    const cluster = await startCluster(async (folder) => {
      const options = { ports: await freeServerPorts(), dbFile: join(folder, 'temporal.db') };
      server = await startTemporal(options);
      restart = async () => void (server = await startTemporal(options));
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
        serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedName: 'some-judge' },
        evaluation: { benchmarks: [{ name: 'shown', format: 'reward-bench', path, purpose: 'test' }] },
      };
      // By another id than its name, as the Temporal CLI starts one.
      await client.workflow.start('evaluateJudge', { workflowId: 'some-id', taskQueue, args: [input] });
      const follower = new Follower(address, ['some-id']);
      await follower.until(/No worker has answered since [\d:]+: the run goes on/);
      await server?.stop();
      await follower.until(/The Temporal server at [\d.:]+ has not answered since/);
      await restart();
      cluster.startWorker('--roles', 'workflow,inference');
      // It may be over before it is looked at again.
      await follower.until(/It answers again|│ shown/);
      assert.equal(await follower.ended(), 0, follower.text);
      assert.match(follower.err, /M_0 on shown: accuracy 50\.0%, in both orders 0\.0%/);
      assert.match(follower.out, /│ shown +│ .*│ +50\.0% │ +0\.0% │/);
      assert.equal(follower.err.match(/The Temporal server/g)?.length, 1, follower.err);

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
      assert.match(failed.err, /The run can't start, \d+ things are wrong:\n {2}\w+/);
    } finally {
      await cluster.close();
      await endpoint.close();
    }
  });

  it('says what to set where no server is', async () => {
    const [port] = await freePorts(1);
    const follower = new Follower('', ['any'], {
      env: { SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: String(port) },
    });
    assert.equal(await follower.ended(), 4);
    assert.match(follower.err, new RegExp(`No Temporal server answers at 127\\.0\\.0\\.1:${port} `));
    assert.match(follower.err, /npm run temporal.*TEMPORAL_ADDRESS.*SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT/);
  });
});
