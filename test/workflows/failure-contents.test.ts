import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, type ConfigurationInput } from '../../src/client/index.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type Behaviour,
  type Script,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { isJudgeRequest, scriptedAnswer } from '../support/scripted-run.ts';
import { textsInTemporal } from '../support/temporal-texts.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

/** In every prompt, response and judgment. */
const MARK = 'qanary';
/** The mark as it is, and its base64 in each alignment. */
const MARKED = new RegExp(
  [
    MARK,
    ...[0, 1, 2].map((before) =>
      Buffer.from('\0'.repeat(before) + MARK)
        .toString('base64')
        .slice(before === 0 ? 0 : before + 1, -3),
    ),
  ].join('|'),
  'i',
);

const answers: Script = (request) => {
  const texts = scriptedAnswer(request).map(
    (text) => `${MARK}-${isJudgeRequest(request.body) ? 'judgment' : 'response'} ${text}`,
  );
  return { kind: 'answer', texts, finishReason: 'stop' };
};

/** Errors of many kinds that echo the request, whole, in capitals and encoded; one in four requests. */
const echoes: Script = (request): Behaviour => {
  if (isCanary(request.body) || request.index % 4 !== 0) return answers(request);
  const prompt = request.body.messages.map(({ content }) => content).join('\n');
  const message = `invalid prompt: "${prompt}" (${Buffer.from(prompt).toString('base64')}), ${prompt.toUpperCase()}`;
  const body = JSON.stringify({ error: { message: `the model said: ${MARK}-judgment so [[A]]`, code: 500 } });
  const faults: Behaviour[] = [
    { kind: 'status', status: 400, error: { message: `maximum context length is 4096: ${message}` } },
    { kind: 'status', status: 400, error: { message } },
    { kind: 'status', status: 400, error: { message, code: 'content_filter' } },
    { kind: 'status', status: 503, error: { message } },
    {
      kind: 'status',
      status: 422,
      body: JSON.stringify({ detail: [{ loc: ['body', prompt], msg: message, input: prompt }] }),
    },
    { kind: 'status', status: 500, body: message },
    { kind: 'raw', body, contentType: 'application/json' },
    { kind: 'raw', body: message, contentType: 'text/plain' },
    { kind: 'raw', body: JSON.stringify({ choices: [{ message: { content: 5 }, text: message }] }) },
  ];
  return faults[(request.index / 4) % faults.length] as Behaviour;
};

/** The check of the endpoint is answered, and then each request gets this. */
const afterCheck =
  (behaviour: (prompt: string) => Behaviour): Script =>
  (request) =>
    isCanary(request.body)
      ? answers(request)
      : behaviour(request.body.messages.map(({ content }) => content).join('\n'));

describe('what Temporal holds of a run whose every text is marked', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let worker: WorkerProcess;
  let endpoint: ScriptedEndpoint;
  let pool: string;
  let benchmark: string;

  before(async () => {
    cluster = await startCluster();
    worker = cluster.startWorker('--failure-details', 'off');
    endpoint = await startScriptedEndpoint({ script: answers });
    await mkdir(cluster.storeRoot, { recursive: true });
    const rows = Array.from({ length: 20 }, (_, row) => ({
      instruction: `What is ${MARK}-instruction ${row}?`,
    }));
    const pairs = Array.from({ length: 10 }, (_, id) => ({
      ...{
        id,
        prompt: `Which ${MARK}-prompt ${id}?`,
        chosen: `${MARK}-chosen`,
        rejected: `${MARK}-rejected`,
      },
      ...{ chosen_model: 'a', rejected_model: 'b', subset: 'first' },
    }));
    pool = await file(
      'pool.jsonl',
      rows.map((row) => JSON.stringify(row)),
    );
    benchmark = await file(
      'benchmark.jsonl',
      pairs.map((pair) => JSON.stringify(pair)),
    );
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  async function file(name: string, lines: readonly string[]): Promise<string> {
    const path = join(cluster.storeRoot, name);
    await writeFile(path, lines.map((line) => `${line}\n`).join(''));
    return path;
  }

  function configuration(runName: string, changes: Partial<ConfigurationInput> = {}): ConfigurationInput {
    const tiny = tinyConfiguration(runName, endpoint.baseUrl);
    const { benchmarks, ...evaluation } = tiny.evaluation;
    return {
      ...tiny,
      instructions: { pool: [pool], shardSize: 10 },
      evaluation: { ...evaluation, benchmarks: benchmarks.map((each) => ({ ...each, path: benchmark })) },
      inference: { maxSkippedShare: 0.95 },
      filtering: { minExamples: 1 },
      timeouts: { heartbeatSeconds: 5 },
      ...changes,
    };
  }

  /** Starts a run, looks at Temporal until the run has ended or the text is there, and looks for the mark in all that was there. */
  async function seenUntil(input: ConfigurationInput, expected: RegExp, isAllowed = false): Promise<void> {
    await startRun(cluster.client, input);
    const handle = cluster.client.workflow.getHandle(input.runName);
    const seen = new Set<string>();
    for (const deadline = Date.now() + 300_000; ; await sleep(300)) {
      const { status } = await handle.describe();
      const text = await textsInTemporal(cluster.client, input.runName);
      seen.add(text);
      if (expected.test(text)) break;
      assert(
        Date.now() < deadline && status.name === 'RUNNING',
        `${status.name}, without ${expected}: ${text.slice(-20_000)}\n${worker.log()}`,
      );
    }
    await handle.terminate().catch(() => undefined);
    const all = [...seen].join('\n');
    const found = MARKED.exec(all);
    if (isAllowed) return assert(found !== null);
    assert.equal(found, null, all.slice(Math.max(0, (found?.index ?? 0) - 1500), (found?.index ?? 0) + 500));
  }

  it('has none of it if an endpoint echoes prompts in errors of every kind; the log of the worker has the words', async () => {
    endpoint.script(echoes);
    await seenUntil(configuration('echoes'), /status\\*":\\*"completed/);
    assert.match(worker.log(), /maximum context length is 4096: invalid prompt: "/);
    assert(MARKED.test(worker.log()));
  });

  it('has none of it if an endpoint is down and says why, or refuses the key', async () => {
    endpoint.script(
      afterCheck((prompt) => ({
        kind: 'status',
        status: 503,
        error: { message: `overloaded by ${prompt}` },
      })),
    );
    await seenUntil(configuration('down'), /503 overloaded by/);
    endpoint.script(
      afterCheck((prompt) => ({
        kind: 'status',
        status: 402,
        error: { message: `insufficient credit for ${prompt}` },
      })),
    );
    await seenUntil(configuration('unpaid'), /insufficient credit for/);
    endpoint.script(
      afterCheck((prompt) => ({ kind: 'status', status: 404, error: { message: `no model for ${prompt}` } })),
    );
    await seenUntil(configuration('unknown'), /no model for/);
  });

  it('has none of it if a trainer reports an exception with an example, or prints one and dies', async () => {
    endpoint.script(answers);
    for (const mode of ['report', 'die']) {
      const { fineTuning } = configuration(mode);
      const command = [
        '{python}',
        join(packageRoot, 'test/support/quoting_trainer.py'),
        mode,
        '--job',
        '{job}',
      ];
      await seenUntil(
        configuration(mode, { fineTuning: { ...fineTuning, launcher: { kind: 'process', command } } }),
        mode === 'report' ? /ended without a result: ValueError: bad \[\.\.\.\]/ : /killed by SIGKILL/,
      );
    }
  });

  it('has none of it if a model server prints a prompt and ends', async () => {
    const log = await file('server.log', [`ValueError: prompt ${MARK} is too long`, MARK]);
    const program = 'console.error(require("fs").readFileSync(process.argv[1], "utf8")); process.exit(1)';
    await seenUntil(
      configuration('served', {
        serving: {
          kind: 'command',
          command: [process.execPath, '-e', program, log, '{checkpoint}', '{host}', '{port}'],
          servedModelName: 'x',
        },
      }),
      /ValueError: prompt \[\.\.\.\] is too long/,
    );
  });

  it('has none of it if rows of the pool or of a benchmark are damaged', async () => {
    endpoint.script(answers);
    const damaged = [`{"instruction": "${MARK} without an end`, `${MARK} is no JSON`];
    const rows = {
      plain: [
        { instruction: [MARK] },
        { [`a ${MARK} field`]: MARK },
        { instruction: { [`${MARK} key`]: 1 } },
      ],
      messages: [
        { messages: [{ role: `${MARK} as a role of some words`, content: 'x' }] },
        { messages: [{ [`the ${MARK} key`]: 'x' }] },
        { messages: [{ role: 'user', content: [{ type: `a ${MARK} type`, text: MARK }] }] },
        { messages: MARK },
      ],
    };
    for (const [format, ofFormat] of Object.entries(rows)) {
      const lines = [...ofFormat.map((row) => JSON.stringify(row)), ...damaged];
      const instructions = { pool: [await file(`${format}.jsonl`, lines)], format: format as 'plain' };
      await seenUntil(
        configuration(format, { instructions, inference: { maxSkippedShare: 0 } }),
        /rows of .* can't be used|no instructions/,
      );
    }
    const { evaluation } = configuration('items');
    const items = [{ id: MARK, prompt: [MARK], chosen: 5 }, { [MARK]: MARK }].map((row) =>
      JSON.stringify(row),
    );
    const path = await file('items.jsonl', [...damaged, ...items]);
    const benchmarks = evaluation.benchmarks.map((each) => ({ ...each, path }));
    await seenUntil(
      configuration('items', { evaluation: { ...evaluation, benchmarks } }),
      /rows can't be used/,
    );
  });

  it('has all words if the operator allows it, or the server is of this checkout', async () => {
    endpoint.script(
      afterCheck((prompt) => ({ kind: 'status', status: 404, error: { message: `no model for ${prompt}` } })),
    );
    for (const details of ['on', 'auto']) {
      await cluster.stopWorkers();
      worker = cluster.startWorker('--failure-details', details);
      await seenUntil(configuration(`allowed-${details}`), /no model for/, true);
    }
  });
});
