import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import {
  dataConverterFrom,
  failureMessage,
  findEvaluation,
  PayloadNotDecrypted,
  startEvaluation,
  startRun,
  type JudgeEvaluationConfigurationInput,
} from '../../src/client/index.ts';
import { startDevServer } from '../../src/cli/temporal/dev-server.ts';
import { freeServerPorts } from '../../tools/setup/free-ports.ts';
import { browserPage } from '../support/browser.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { rawHistories } from '../support/raw-history.ts';
import { runCli, startCli } from '../support/run-cli.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { scriptedAnswers, tinyConfiguration } from '../support/tiny-run.ts';

const newKey = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const [OLDER, NEWER, FOREIGN] = [newKey('older'), newKey('newer'), newKey('foreign')];

/** In the words of the endpoint that fails, and in the configuration. */
const SECRET = 'pomegranate';

describe('a run with encrypted payloads', function () {
  this.timeout(480_000);
  const browser = browserPage();
  let folder: string;
  let keyFile: string;
  let endpoint: ScriptedEndpoint;
  /** Requests wait for it. */
  let held: Promise<unknown> | undefined;
  let uiUrl: string;
  let codecAddress: string;
  /** The workers of the first have the keys of the file; those of the second, on the same server, have none. */
  let cluster: Cluster;
  let keyless: Cluster;
  let stopCodecServer: () => Promise<unknown>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'encryption-'));
    keyFile = join(folder, 'keys');
    await writeKeys(OLDER);
    endpoint = await startScriptedEndpoint({
      script(request) {
        if (request.body.model.includes('refuses'))
          return { kind: 'status', status: 400, error: { message: `the word ${SECRET} is not allowed` } };
        const answer = scriptedAnswers(request);
        return answer.kind === 'answer' ? { ...answer, heldUntil: held } : answer;
      },
    });
    const ports = await freeServerPorts();
    uiUrl = `http://127.0.0.1:${ports.ui}`;
    const codecServer = startCli(['codec-server', '--port', '0', '--json', '--origin', uiUrl], {
      TEMPORAL_ENCRYPTION_KEYS: `${NEWER} ${OLDER}`,
    });
    const [line] = (await once(codecServer.stdout ?? codecServer, 'data')) as [Buffer];
    ({ address: codecAddress } = JSON.parse(line.toString()) as { address: string });
    stopCodecServer = () => {
      codecServer.kill('SIGTERM');
      return once(codecServer, 'exit');
    };
    cluster = await startCluster(
      (files) =>
        startDevServer({ ports, databaseFile: join(files, 'temporal.db'), codecEndpoint: codecAddress }),
      { TEMPORAL_ENCRYPTION_KEYS_FILE: keyFile },
    );
    keyless = await startCluster(() => Promise.resolve({ address: cluster.address, stop: async () => {} }));
  });

  afterEach(async () => {
    held = undefined;
    await Promise.all([cluster.stopWorkers(), keyless.stopWorkers()]);
    await writeKeys(OLDER);
  });

  after(async () => {
    await keyless.close();
    await cluster.close();
    await stopCodecServer();
    await endpoint.close();
    await rm(folder, { recursive: true });
  });

  const writeKeys = (...keys: string[]) => writeFile(keyFile, `${keys.join('\n')}\n`, { mode: 0o600 });

  const clientWith = (...keys: string[]) =>
    new Client({
      connection: cluster.client.connection,
      dataConverter: dataConverterFrom({ TEMPORAL_ENCRYPTION_KEYS: keys.join(' ') }),
    });

  const environment = () => ({ TEMPORAL_ADDRESS: cluster.address, TEMPORAL_CONFIG_FILE: '' });

  const evaluation = (runName: string, servedModelName = 'a-judge'): JudgeEvaluationConfigurationInput => ({
    runName,
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName },
    evaluation: {
      prompt: 'test/support/prompts/judge',
      benchmarks: [{ name: 'validation', format: 'pairs', path: 'embedded/benchmark/validation.jsonl' }],
      shardSize: 20,
    },
    inference: { concurrentShards: 1 },
    timeouts: { heartbeatSeconds: 5 },
  });

  /** The strings of a configuration that a history has in plain, without those that are parts of the ids of workflows. */
  function plainWords(history: string, configuration: { readonly runName?: string }): string[] {
    const words = new Set(strings(configuration)).difference(new Set([configuration.runName, 'validation']));
    // A word of a few letters may be in the encrypted bytes by chance.
    return [...words].filter((word) => word.length >= 6 && history.includes(word));
  }

  it('is started by the command line, which follows it and shows it', async () => {
    cluster.startWorker();
    const configuration = evaluation('by-command-line');
    const file = join(folder, 'evaluation.json');
    await writeFile(file, JSON.stringify(configuration));
    const keys = { ...environment(), TEMPORAL_ENCRYPTION_KEYS_FILE: keyFile };
    const { code, out, err } = await runCli(['start', file, '--follow', '--json'], keys);
    assert.equal(code, 0, err);
    assert.match(out, /"accuracy"/);
    const history = await rawHistories(cluster.client, 'by-command-line');
    assert.deepEqual(plainWords(history, configuration), []);
    const listed = await runCli(['runs', '--json'], keys);
    assert.match(listed.out, /by-command-line/, listed.err);
  });

  it("accepts plain input of the Temporal CLI, whose answers and history show with the codec server's help", async () => {
    cluster.startWorker();
    const configuration = evaluation('by-temporal-cli');
    const start = ['workflow', 'start', '--type', 'evaluateJudge', '--task-queue', cluster.taskQueue];
    await cluster.cli(...start, '--workflow-id', 'by-temporal-cli', '--input', JSON.stringify(configuration));
    const evaluated = await findEvaluation(clientWith(OLDER), 'by-temporal-cli').result();
    assert.equal(evaluated.evaluations.length, 1);
    const history = await rawHistories(cluster.client, 'by-temporal-cli');
    // Only the input is plain, as its sender sent it.
    assert.equal(history.split(endpoint.baseUrl).length - 1, 1);
    const show = ['workflow', 'show', '--workflow-id', 'by-temporal-cli', '--output', 'json'];
    assert.doesNotMatch(withBytes(await cluster.cli(...show)), /"accuracy"/);
    assert.match(withBytes(await cluster.cli(...show, '--codec-endpoint', codecAddress)), /"accuracy"/);
    const query = ['workflow', 'query', '--workflow-id', 'by-temporal-cli', '--type', 'progress'];
    assert.match(await cluster.cli(...query, '--codec-endpoint', codecAddress), /"status": ?"completed"/);
  });

  it('is encrypted from its first event if the Temporal CLI has the codec server', async () => {
    await writeKeys(NEWER, OLDER);
    cluster.startWorker();
    const configuration = evaluation('by-temporal-cli-encrypted');
    const start = ['workflow', 'start', '--type', 'evaluateJudge', '--task-queue', cluster.taskQueue];
    const input = ['--workflow-id', configuration.runName ?? '', '--input', JSON.stringify(configuration)];
    await cluster.cli(...start, ...input, '--codec-endpoint', codecAddress);
    await findEvaluation(clientWith(OLDER, NEWER), 'by-temporal-cli-encrypted').result();
    const history = await rawHistories(cluster.client, 'by-temporal-cli-encrypted');
    assert.deepEqual(plainWords(history, configuration), []);
  });

  it('has no word of a failure in plain, which the client, the Temporal CLI and the Web UI show with the key', async () => {
    cluster.startWorker();
    const run = await startEvaluation(clientWith(OLDER), evaluation('failed', 'a-judge-that-refuses'));
    const failure = await run.result().then(() => assert.fail('the run has succeeded'), failureMessage);
    assert.match(failure, new RegExp(SECRET));
    const history = await rawHistories(cluster.client, 'failed');
    assert.match(history, /Encoded failure/);
    assert(!history.includes(SECRET));
    await assert.rejects(findEvaluation(clientWith(NEWER), 'failed').result(), PayloadNotDecrypted);
    const show = ['workflow', 'show', '--workflow-id', 'failed', '--output', 'json'];
    assert.match(withBytes(await cluster.cli(...show, '--codec-endpoint', codecAddress)), new RegExp(SECRET));

    const page = `${uiUrl}/namespaces/default/workflows/failed`;
    await browser.page.goto(
      `${page}/${(await clientWith(OLDER).workflow.getHandle('failed').describe()).runId}/history`,
    );
    await browser.page.setViewport({ width: 1400, height: 1200 });
    // Each payload is decrypted by a call of its own.
    for (const word of [SECRET, 'a-judge-that-refuses'])
      await browser.page.waitForFunction((each) => document.body.innerText.includes(each), {}, word);
  });

  it('continues on a worker with a newer key, which encrypts what comes after, and needs the older one to read', async () => {
    const first = cluster.startWorker();
    let release: () => void = () => undefined;
    held = new Promise<void>((resolve) => (release = resolve));
    const client = clientWith(OLDER, NEWER);
    const earlier = endpoint.requests.length;
    const run = await startEvaluation(client, evaluation('rotated'));
    while (endpoint.requests.length === earlier) await sleep(50);
    await first.kill();
    await writeKeys(NEWER, OLDER);
    release();
    cluster.startWorker();
    assert.equal((await run.result()).evaluations.length, 1);
    const history = await rawHistories(cluster.client, 'rotated');
    for (const id of ['older', 'newer']) assert.match(history, new RegExp(`"encryption-key-id":"${id}"`));
    assert(history.lastIndexOf('"older"') < history.lastIndexOf('"newer"'));
  });

  it('waits for a worker with its key, and says which is missing in the worker, in follow, and in its history', async () => {
    for (const [runName, worker, problem] of [
      [
        'without-keys',
        keyless,
        /encrypted with the key \\*"older\\*", but this process has no keys.*TEMPORAL_ENCRYPTION_KEYS_FILE/,
      ],
      [
        'with-another-key',
        cluster,
        /encrypted with the key \\*"older\\*", but this process has only foreign.*TEMPORAL_ENCRYPTION_KEYS_FILE/,
      ],
    ] as const) {
      await writeKeys(FOREIGN);
      const started = worker.startWorker();
      const run = await startEvaluation(clientWith(OLDER), evaluation(runName));
      const following = startCli(['follow', runName], { ...environment(), TEMPORAL_ENCRYPTION_KEYS: OLDER });
      let shown = '';
      for (const stream of [following.stdout, following.stderr])
        stream?.on('data', (data: Buffer) => (shown += data.toString()));
      while (!problem.test(shown.replaceAll(/\s+/g, ' ')) && following.exitCode === null) await sleep(100);
      assert.match(shown, /No worker has answered.*can't read it, and tries again/);
      while (!problem.test(started.log())) await sleep(100);
      assert.match(await rawHistories(cluster.client, runName), problem);
      await started.stop();
      await writeKeys(OLDER);
      const able = cluster.startWorker();
      assert.equal((await run.result()).evaluations.length, 1);
      if (following.exitCode === null) await once(following, 'exit');
      assert.equal(following.exitCode, 0, shown);
      await able.stop();
    }
  });

  it('is refused with the variable to set by a command without its key', async () => {
    cluster.startWorker();
    await (await startEvaluation(clientWith(OLDER), evaluation('unreadable'))).result();
    for (const command of ['follow', 'show', 'cancel']) {
      const { code, err } = await runCli([command, 'unreadable'], environment());
      assert.equal(code, 2, `${command}: ${err}`);
      assert.match(err, /"older", but this process has no keys.*TEMPORAL_ENCRYPTION_KEYS_FILE/);
    }
  });

  it('holds no word of its configuration in plain if the client starts it, and is the same run', async () => {
    const worker = cluster.startWorker();
    const configuration = tinyConfiguration('by-client', endpoint.baseUrl);
    const run = await startRun(clientWith(OLDER), configuration);
    const { iterations } = await run.result();
    assert.equal(iterations.length, 2);
    const history = await rawHistories(cluster.client, 'by-client');
    assert.deepEqual(plainWords(history, configuration), []);
    assert.doesNotMatch(history, /json\/plain.{0,60}"data":"[[{]/);
    assert(!worker.log().includes(OLDER.split(':')[1] ?? ''));
  });
});

/** JSON of the Temporal CLI, in which the bytes of payloads are base64. */
function withBytes(json: string): string {
  return json.replaceAll(/"data": "([A-Za-z0-9+/=]*)"/g, (_, data: string) =>
    Buffer.from(data, 'base64').toString(),
  );
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : [];
}
