import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runCommand, tryRunCommand } from '../../src/cli/setup/run-command.ts';
import { installClient } from '../client/packed-client.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { secureCluster, type SecuredCluster } from '../support/secured-cluster.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';
import { ensureExamplePython } from './example-python.ts';

const examples = join(packageRoot, 'examples');

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Resolves when the stream has printed such a line; rejects when it ends without it. */
async function until(stream: Readable, printed: RegExp): Promise<void> {
  let all = '';
  const found = Promise.withResolvers<void>();
  stream.on('data', (data: Buffer) => {
    all += data.toString();
    if (printed.test(all)) found.resolve();
  });
  stream.on('end', () => found.reject(new Error(`ended without ${printed}: ${all}`)));
  await found.promise;
}

describe('the example clients', function () {
  this.timeout(900_000);
  let folder: string;
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  /** The server that the examples connect to: a profile has its client certificate, API key and other settings. */
  let guard: SecuredCluster;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'examples-'));
    cluster = await startCluster();
    cluster.startWorker();
    guard = await secureCluster(cluster, 'default');
    endpoint = await startScriptedEndpoint();
  });

  after(async () => {
    await guard.close();
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The command that runs each example. */
  const commands = {
    typescript: async () => {
      await installClient(folder, ['@temporalio/envconfig']);
      for (const file of ['package.json', 'run.ts'])
        await copyFile(join(examples, 'typescript', file), join(folder, file));
      return [process.execPath, join(folder, 'run.ts')];
    },
    python: async () => [
      await ensureExamplePython(join(examples, 'python')),
      join(examples, 'python/run.py'),
    ],
    go: async () => {
      const program = join(folder, 'go-run');
      // -mod=readonly: an incomplete go.mod or go.sum is an error, and is not completed.
      const build = ['build', '-mod=readonly', '-o', program, '.'];
      await runCommand('go', build, { cwd: join(examples, 'go'), env: { GOFLAGS: '-buildvcs=false' } });
      return [program];
    },
  };

  for (const [language, prepare] of Object.entries(commands)) {
    it(`in ${language} starts a run once, follows it, pauses and resumes it, and prints its result`, async function () {
      if (language === 'go' && (await tryRunCommand('go', ['version'])) === undefined) {
        console.log('      go is not on the PATH, so its example is skipped');
        this.skip();
      }
      const [program = '', ...options] = await prepare();
      const { TEMPORAL_ADDRESS: _, ...others } = process.env;
      const env = { ...others, ...guard.environment };
      const begin = (...args: string[]) =>
        spawn(program, [...options, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      const ended = async (child: ReturnType<typeof begin>): Promise<Ended> => {
        const [stdout, stderr] = await Promise.all([
          text(child.stdout),
          text(child.stderr),
          child.exitCode ?? once(child, 'exit'),
        ]);
        return { code: child.exitCode ?? -1, stdout, stderr };
      };
      const call = (...args: string[]) => ended(begin(...args));
      const paused = Promise.withResolvers<void>();
      // No run is over before it is paused.
      endpoint.script((request) => {
        const answer = scriptedAnswers(request);
        return isJudgeRequest(request.body) ? { ...answer, heldUntil: paused.promise } : answer;
      });
      const name = `from-${language}`;
      const file = join(folder, `${name}.json`);
      await writeFile(file, JSON.stringify(tinyConfiguration(name, endpoint.baseUrl)));

      const unknown = await call('unknown', name);
      assert.deepEqual(
        [unknown.code, /start.*follow.*result/.test(unknown.stderr)],
        [1, true],
        unknown.stderr,
      );
      assert.deepEqual(await call('start', file), { code: 0, stdout: `${name}\n`, stderr: '' });
      const { runId } = await cluster.client.workflow.getHandle(name).describe();
      const follower = begin('follow', name);
      const following = ended(follower);
      const [judges, isPaused] = [/^running .*judgePairs/m, /^paused: the GPU is needed /m].map((line) =>
        until(follower.stdout, line),
      );
      await judges;
      assert.equal((await call('start', file)).code, 0);
      assert.equal((await cluster.client.workflow.getHandle(name).describe()).runId, runId);
      assert.deepEqual(await call('pause', name, 'the GPU is needed'), { code: 0, stdout: '', stderr: '' });
      paused.resolve();
      const refused = await call('pause', name, 'again');
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, new RegExp(`the run ${name} has been paused since.*the GPU is needed`));
      await isPaused;
      assert.equal((await call('resume', name)).code, 0);

      const result = await call('result', name);
      assert.equal(result.code, 0, result.stderr);
      const stored = await readFile(join(cluster.storeRoot, name, 'result.json'), 'utf8');
      assert.deepEqual(JSON.parse(result.stdout), JSON.parse(stored));
      const followed = await following;
      assert.equal(followed.code, 0, followed.stderr);
      const lines = followed.stdout.trimEnd().split('\n');
      assert.equal(lines.at(-1)?.trim(), 'completed');
    });
  }
});
