import assert from 'node:assert/strict';
import { execFile, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../../src/platform/ports.ts';
import { estimateSchema, type RunEstimate } from '../../../src/api/estimate.ts';
import { planText } from '../../../src/cli/plan/plan-text.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { processStartTime } from '../../../src/platform/process-identity.ts';

interface Ended {
  readonly code: unknown;
  readonly out: string;
  readonly err: string;
}

describe('the command plan', function () {
  this.timeout(300_000);
  let folder: string;
  let environment: NodeJS.ProcessEnv;
  let running: ChildProcess | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'plan-'));
    const [port] = await freePorts(1);
    environment = {
      ...process.env,
      SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'store'),
      SELF_TAUGHT_EVALUATOR_TEMPORAL_PORT: String(port),
      TEMPORAL_ADDRESS: '',
    };
  });

  after(() => rm(folder, { recursive: true, force: true }));

  function plan(...args: string[]): Promise<Ended> {
    const command = [join(packageRoot, 'tools', 'bootstrap.mjs'), 'src/cli/main.ts', 'plan', ...args];
    return new Promise((resolve) => {
      running = execFile(
        process.execPath,
        command,
        { cwd: packageRoot, env: environment },
        (error, out, err) => resolve({ code: error?.code ?? 0, out, err }),
      );
    });
  }

  async function file(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }

  it('rejects invalid arguments with exit code 2 and a message that says what is wrong and where', async () => {
    const example = join(packageRoot, 'temporal/inputs/embedded.json');
    const text = await readFile(example, 'utf8');
    const invalid = { ...(JSON.parse(text) as object), iterations: 0, judgeing: {} };
    const wrong: readonly (readonly [string[], RegExp])[] = [
      [['nowhere.json'], /Cannot read the configuration .*nowhere\.json: there is no such file/],
      [[await file('half.json', '{"runName":')], /half\.json: it is not valid JSON/],
      [
        [await file('invalid.json', JSON.stringify(invalid))],
        /The configuration has 2 problems:\n {2}iterations: .*found 0\n {2}judgeing: unknown field; known here: /,
      ],
      [[example, '--prob'], /Unknown argument: prob/],
      [
        [example, '--assume', 'judgementTokens=3'],
        /expected NAME=NUMBER, where NAME is one of .*judgmentTokens/,
      ],
      [[example, '--assume', 'correctShare=70'], /correctShare=70.*at most 1/],
      [[example, '--rates', await file('rates.json', '{"tokens": 3}')], /--rates: .*rates\.json: .*tokens/],
      [[], /An argument is missing: the usage is "plan <configuration>"/],
    ];
    for (const [args, message] of wrong) {
      const { code, out, err } = await plan(...args);
      assert.equal(code, 2, `${args.join(' ')}\n${err}`);
      assert.equal(out, '');
      assert.match(err, message);
      assert.doesNotMatch(err, /^ +at /m, 'no stack');
    }
  });

  it('prints a JSON document with --json, with exit code 0 although no worker runs yet', async () => {
    const { code, out, err } = await plan('temporal/inputs/embedded.json', '--json');
    assert.equal(code, 0, err);
    const estimate = estimateSchema.parse(JSON.parse(out));
    assert.equal(estimate.runName, 'embedded');
    assert.match(estimate.workers[0]?.message ?? '', /No Temporal server answers/);
    assert.equal(estimate.counts?.rows, 2400);
    assert.equal(estimate.tokenizers[0]?.by.kind, 'tokenizer');
    const lines = planText(estimate).split('\n');
    assert.match(lines.find((line) => line.includes('0 categorizeInstructions')) ?? '', / 2,400 /);
    assert(lines.some((line) => line.includes('correctShare 0.70: share of')));
  });

  it('stops the server of a probe at Ctrl-C', async () => {
    const starts = join(folder, 'starts');
    const server = join(packageRoot, 'test/models/serving/fake-server.ts');
    const example = await readFile(join(packageRoot, 'temporal/inputs/embedded.json'), 'utf8');
    const serving = {
      kind: 'command',
      command: [
        process.execPath,
        server,
        '--port',
        '{port}',
        '--starts',
        starts,
        '--ready',
        join(folder, 'never'),
      ],
    };
    const configuration = await file('slow.json', JSON.stringify({ ...JSON.parse(example), serving }));
    const ended = plan(configuration, '--probe');
    while (!(await readFile(starts, 'utf8').catch(() => ''))) await sleep(50);
    running?.kill('SIGINT');
    const { code, out, err } = await ended;
    assert.equal(code, 130, err);
    assert.equal(out, '');
    const pid = Number(await readFile(starts, 'utf8'));
    assert.equal(await processStartTime(pid), undefined, 'it runs');
  });

  it('prints what is missing without control characters', () => {
    const nothing = { requests: 0, answers: 0, promptTokens: 0, completionTokens: 0, trainingTokens: 0 };
    const estimate: RunEstimate = {
      runName: 'x',
      store: '/store',
      missing: [{ path: 'serving', message: 'it says \u001b[2Jhello' }],
      workers: [],
      stages: [],
      whole: nothing,
      remaining: nothing,
      uncounted: [],
      tokenizers: [],
      memory: [],
      rates: {},
      assumptions: [],
      notes: [],
    };
    const text = planText(estimate);
    assert.match(text, /Nothing can be counted yet/);
    assert.match(text, /serving: it says \[2Jhello|serving: it says {2}?\[2Jhello/);
    assert(!text.includes('\u001b'));
  });
});
