import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { rename, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type Evaluation,
  failureMessage,
  type Run,
  type RunProgress,
  startEvaluation,
  startRun,
} from '../../src/client/index.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startCli } from '../support/run-cli.ts';
import { isCanary, type ScriptedEndpoint, startScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { slowScriptedAnswers, tinyConfiguration, waitForProgress } from '../support/tiny-run.ts';

type Progressing = Pick<Run | Evaluation, 'progress'>;
type Wait = NonNullable<RunProgress['waits']>[number];

describe('the waits of a run', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  const followers: ChildProcess[] = [];

  before(async () => {
    endpoint = await startScriptedEndpoint({ script: slowScriptedAnswers });
    cluster = await startCluster();
  });
  afterEach(async () => {
    for (const follower of followers) follower.kill();
    await cluster.stopWorkers();
  });
  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  /** Acts while the run generates pairs, whose answers are held until then. */
  const whileItGeneratesPairs = async (run: Progressing, act: () => Promise<void>) => {
    const acted = Promise.withResolvers<void>();
    endpoint.script((request) => ({
      ...(slowScriptedAnswers(request) as { kind: 'answer' }),
      heldUntil: isCanary(request.body) ? undefined : acted.promise,
    }));
    await waitForProgress(run, ({ stages }) => stages.some(({ name }) => name === 'generatePairs'));
    await act();
    acted.resolve();
    endpoint.script(slowScriptedAnswers);
  };

  /** The first wait of any stage, or of the given one, that the run shows from now on. */
  const nextWait = async (run: Progressing, ofStage?: string): Promise<Wait> => {
    let wait: Wait | undefined;
    await waitForProgress(run, ({ waits, status }) => {
      assert.notEqual(status, 'failed');
      wait = waits?.find(({ stage }) => ofStage === undefined || stage === ofStage);
      return wait !== undefined;
    });
    return wait as Wait;
  };
  const whenOver = (run: Progressing) => waitForProgress(run, ({ waits }) => waits === undefined);

  /** The output of the command `follow` so far. */
  const follow = (name: string): (() => string) => {
    let text = '';
    const child = startCli(['follow', name], { TEMPORAL_ADDRESS: cluster.address });
    followers.push(child);
    child.stderr?.on('data', (data: Buffer) => (text += data.toString()));
    return () => text;
  };
  const until = async (isTrue: () => boolean | Promise<boolean>) => {
    while (!(await isTrue())) await sleep(100);
  };
  const report = (name: string) =>
    readFile(join(cluster.storeRoot, name, 'report.html'), 'utf8').catch(() => '');
  const details = (name: string) => cluster.cli('workflow', 'metadata', '--workflow-id', name);
  const show = async (name: string) => {
    const child = startCli(['show', name, '--store', cluster.storeRoot], {
      TEMPORAL_ADDRESS: cluster.address,
    });
    let text = '';
    for await (const data of child.stdout ?? []) text += String(data);
    return text;
  };

  it('include a missing worker, which show names', async () => {
    await startRun(cluster.client, tinyConfiguration('nobody', endpoint.baseUrl));
    assert.match(
      await show('nobody'),
      /^No worker answers\n {2}no worker with role workflow takes work from the queue \S+: start one with ".* worker/m,
    );
    await cluster.client.workflow.getHandle('nobody').terminate();
  });

  it('are shown in progress, follow, show, Web UI and report while a role has no worker', async () => {
    cluster.startWorker('--roles', 'workflow,inference');
    const gpu = cluster.startWorker('--roles', 'gpu');
    const run = await startRun(cluster.client, tinyConfiguration('roles', endpoint.baseUrl));
    const followed = follow('roles');
    await whileItGeneratesPairs(run, () => gpu.kill());
    const wait = await nextWait(run);
    // The seed model is served for its evaluation while it generates, before the worker is gone or not.
    const { stage, iteration } = wait;
    assert(['serveModel 0', 'fineTune 1'].includes(`${stage} ${iteration}`), `${stage} ${iteration}`);
    assert.match(
      wait.reason,
      /no worker with role gpu .*; start one .*with "npx self-taught-evaluator worker --roles gpu"/,
    );
    await until(() =>
      new RegExp(`Waiting since .*: iteration ${iteration} {2}${stage}: .*worker --roles gpu`).test(
        followed(),
      ),
    );
    await until(async () => (await report('roles')).includes('with role gpu'));
    assert.match(
      await details('roles'),
      new RegExp(`\\*\\*Waiting\\*\\* since .*${stage}.*worker --roles gpu`),
    );
    assert.match(
      await show('roles'),
      new RegExp(`^Waits\n {2}since .*: ${stage}, iteration ${iteration}: .*worker --roles gpu`, 'm'),
    );

    cluster.startWorker('--roles', 'gpu');
    await whenOver(run);
    await until(() =>
      new RegExp(`No longer waiting: iteration ${iteration} {2}${stage}, after`).test(followed()),
    );
    await run.result();
  });

  const evaluate = (runName: string, command: string[]) =>
    startEvaluation(cluster.client, {
      runName,
      model: { checkpoint: 'embedded/model' },
      serving: { kind: 'command', command, servedModelName: '{checkpoint}' },
      evaluation: {
        benchmarks: [{ name: 'test', format: 'reward-bench', path: 'embedded/benchmark/validation.jsonl' }],
        prompt: 'prompts/compact/judge',
        sampling: { temperature: 0, topP: 1, maxTokens: 8 },
      },
    });

  it('include the last output of a server that does not start, until it starts', async () => {
    cluster.startWorker();
    const licence = join(cluster.storeRoot, '..', 'licence');
    const command = `test -e ${licence} || { echo "no licence for this GPU"; exit 3; }; exec "$0" "$@"`;
    const server = [
      '{packageRoot}/embedded/server.py',
      '--port',
      '{port}',
      '--root',
      '{packageRoot}/embedded',
    ];
    const run = await evaluate('server', ['sh', '-c', command, '{python}', ...server]);
    const followed = follow('server');
    const wait = await nextWait(run);
    assert.equal(wait.stage, 'serveModel');
    assert.match(wait.reason, /ended with exit code 3 before it was ready.*no licence for this GPU/);
    await until(() => /Waiting since .*: serveModel: .*no licence for this GPU/.test(followed()));
    await writeFile(licence, '');
    await whenOver(run);
    await run.result();
  });

  it('show the log of a server that does not start, and end when it has failed three times in a row', async () => {
    cluster.startWorker();
    const run = await evaluate('hopeless', ['sh', '-c', 'echo "the model is too large"; exit 4']);
    const followed = follow('hopeless');
    const wait = await nextWait(run);
    assert.match(
      wait.reason,
      /exit code 4 before it was ready\. Log: (\/\S+\.log)\. .*the model is too large/,
    );
    assert.match(await details('hopeless'), /\*\*Waiting\*\* since .*the model is too large/);
    await until(() => /Waiting since .*: serveModel: .*the model is too large/.test(followed()));
    const failure = await run.result().then(() => '', failureMessage);
    assert.match(
      failure,
      /exit code 4 before it was ready.*the model is too large\nIt has failed 3 times in a row/s,
    );
    assert.equal((await run.progress()).waits, undefined);
  });

  it('do not begin for a server that refuses the first request: the run ends at once', async () => {
    cluster.startWorker();
    const server = fileURLToPath(import.meta.resolve('../models/serving/fake-server.ts'));
    const run = await evaluate('refused', [process.execPath, server, '--port', '{port}', '--refuse', '403']);
    const failure = await run.result().then(() => '', failureMessage);
    assert.match(
      failure,
      /refuses the first short request: .*Log: .*\nIt has failed once, and another start would not help/s,
    );
  });

  it('name a missing store, and end when it is back', async () => {
    cluster.startWorker();
    const run = await startRun(cluster.client, tinyConfiguration('store', endpoint.baseUrl));
    const followed = follow('store');
    const away = `${cluster.storeRoot}-away`;
    await whileItGeneratesPairs(run, () => rename(cluster.storeRoot, away));
    const wait = await nextWait(run, 'generatePairs');
    assert(
      wait.reason.includes(`the store of this worker, ${cluster.storeRoot}, does not contain the run`),
      wait.reason,
    );
    await until(() => /Waiting since .*generatePairs: the store of this worker/.test(followed()));
    // The worker may write into the place of its store meanwhile.
    const isBack = () =>
      rename(away, cluster.storeRoot).then(
        () => true,
        () => false,
      );
    for (let tries = 0; !(await isBack()); tries += 1)
      await rename(cluster.storeRoot, `${away}-new-${tries}`).catch(() => undefined);
    await whenOver(run);
    await run.result();
  });
});
