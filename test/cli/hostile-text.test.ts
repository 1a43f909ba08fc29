import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import { HOSTILE_LINE, RAW } from '../support/hostile-text.ts';
import { NO_TEMPORAL, runCli, startCli, type CommandResult } from '../support/run-cli.ts';
import { sampleJudge } from '../support/sample-judge.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

const KEY = 'key-Zq9rf7xmfW2/é'.replace('é', 'e');
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** The endpoint's words instead of answers: it echoes its key in several forms. */
const SAID = [
  `evil.example ${HOSTILE_LINE}\nwarn: forged`,
  ...[KEY, base64(KEY), base64(`user:${KEY}`), base64(`Bearer ${KEY}`), encodeURIComponent(KEY)],
  Buffer.from(KEY).toString('hex'),
].join(' ');

describe('text from outside in the output of the commands and in the log of a worker', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let worker: WorkerProcess;
  let endpoint: ScriptedEndpoint;
  let configuration: string;
  let environment: NodeJS.ProcessEnv;

  before(async () => {
    endpoint = await startScriptedEndpoint({
      script: ({ body }) =>
        isCanary(body) ? { kind: 'answer' } : { kind: 'status', status: 503, error: { message: SAID } },
      models: ['judge-0', `${SAID.slice(0, 20)}`],
    });
    cluster = await startCluster(undefined, { JUDGE_KEY: KEY });
    worker = cluster.startWorker('--failure-details', 'on');
    await mkdir(cluster.storeRoot, { recursive: true });
    configuration = join(cluster.storeRoot, 'hostile.json');
    const { serving, ...tiny } = tinyConfiguration('hostile', endpoint.baseUrl);
    await writeFile(
      configuration,
      JSON.stringify({ ...tiny, serving: { ...serving, apiKeyEnv: 'JUDGE_KEY' } }),
    );
    environment = {
      SELF_TAUGHT_EVALUATOR_STORE: cluster.storeRoot,
      TEMPORAL_ADDRESS: cluster.address,
      JUDGE_KEY: KEY,
    };
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  function assertHarmless(text: string): void {
    const found = RAW.exec(text);
    assert.equal(
      found,
      null,
      JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 300)).slice(0, 400)),
    );
    for (const form of [KEY.slice(4, 12), base64(KEY).slice(4, 16), base64(`user:${KEY}`).slice(8, 20)])
      assert(!text.includes(form), text);
    assert(!text.includes(Buffer.from(KEY).toString('hex').slice(6, 20)), text);
  }

  function harmless({ out, err }: CommandResult, shows = true): CommandResult {
    assertHarmless(out);
    assertHarmless(err);
    if (shows) assert.match(out + err, /evil\.example/);
    return { code: null, out, err };
  }

  /** Repeats a command until it shows the wait of the run, which ends for a moment when the endpoint is tried again. */
  async function untilShown(...args: string[]): Promise<void> {
    for (;;) {
      const { out, err } = harmless(await runCli(args, environment), false);
      if (/evil\.example/.test(out + err)) return;
    }
  }

  it('is clean while a run waits for an endpoint that answers with escape sequences and its key', async () => {
    harmless(await runCli(['start', configuration], environment), false);
    const follow = startCli(['follow', 'hostile'], environment);
    const followJson = startCli(['follow', 'hostile', '--json'], environment);
    const seen = { text: '', json: '' };
    for (const stream of [follow.stdout, follow.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (seen.text += text));
    for (const stream of [followJson.stdout, followJson.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (seen.json += text));
    for (
      const deadline = Date.now() + 120_000;
      !/evil/.test(seen.text) || !/evil/.test(seen.json);
      await sleep(200)
    )
      assert(Date.now() < deadline, `${seen.text}\n${seen.json}\n${worker.log()}`);
    for (const child of [follow, followJson]) {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
    assertHarmless(seen.text);
    assertHarmless(seen.json);
    // JSON keeps the text: only keys are hidden in it.
    const lines = seen.json.split('\n').filter((line) => line.includes('evil'));
    assert(lines.every((line) => JSON.stringify(JSON.parse(line)).includes('[key]')));
    await untilShown('show', 'hostile');
    await untilShown('show', 'hostile', '--json');
    for (const args of [
      ['runs'],
      ['runs', '--json'],
      ['compare', 'hostile', HOSTILE_LINE.replaceAll('\0', '')],
      ['export', 'hostile'],
    ])
      harmless(await runCli(args, environment), false);
    assertHarmless(worker.log());
    assert.doesNotMatch(worker.log(), /^warn: forged/m);
    await cluster.client.workflow.getHandle('hostile').terminate(HOSTILE_LINE.toWellFormed());
    harmless(await runCli(['follow', 'hostile'], environment), false);
    harmless(await runCli(['follow', 'hostile', '--json'], environment), false);
  });

  it('is clean if a command asks the endpoint itself', async () => {
    const pairs = join(cluster.storeRoot, 'pairs.jsonl');
    await writeFile(pairs, `${JSON.stringify({ instruction: 'a', responseA: 'b', responseB: 'c' })}\n`);
    const judge = join(cluster.storeRoot, 'judge.json');
    await writeFile(judge, JSON.stringify(sampleJudge()));
    endpoint.script(({ body }) =>
      isCanary(body) ? { kind: 'answer' } : { kind: 'status', status: 400, error: { message: SAID } },
    );
    const model = [
      '--model',
      endpoint.baseUrl,
      '--served-model-name',
      'judge-0',
      '--api-key-env',
      'JUDGE_KEY',
    ];
    for (const more of [[], ['--json']])
      harmless(
        await runCli(['judge', pairs, ...model, '--judge', judge, '--out', `${pairs}.out`, ...more], {
          ...environment,
          ...NO_TEMPORAL,
        }),
      );
    endpoint.script(() => ({ kind: 'status', status: 401, error: { message: SAID } }));
    for (const command of ['plan', 'doctor'])
      for (const more of [[], ['--json']])
        harmless(await runCli([command, configuration, ...more], environment));
  });
});
