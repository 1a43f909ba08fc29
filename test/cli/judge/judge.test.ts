import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { readPrompt } from '../../../src/runs/read-prompt.ts';
import type { JudgeFile } from '../../../src/api/judge-file.ts';
import type { PairsJudgingFigures } from '../../../src/api/pairs-judging-result.ts';
import type { JudgedPair } from '../../../src/pair-judging/judged-pair.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../../support/scripted-endpoint.ts';
import { HeldAnswers } from '../../support/held-answers.ts';
import { correctJudgment, correctJudgmentsAfter, sampleJudge } from '../../support/sample-judge.ts';
import { repeatedRequests } from '../../support/scripted-run.ts';
import { machineGpus } from '../../../src/models/gpus/machine-gpus.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { processStartTime } from '../../../src/platform/process-identity.ts';

const PAIRS = 120;

const honest = correctJudgmentsAfter(10);

describe('the command judge', function () {
  this.timeout(180_000);
  let folder: string;
  let pairs: string;
  let endpoint: ScriptedEndpoint;
  const commands: Command[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'judge-'));
    pairs = join(folder, 'pairs.jsonl');
    const rows = Array.from({ length: PAIRS }, (_, row) => ({
      instruction: `which is more, ${row}?`,
      responseA: `it is ${row % 7}`,
      responseB: `it is ${row % 5}`,
      label: row % 7 > row % 5 ? 'A' : row % 7 < row % 5 ? 'B' : 'tie',
    }));
    await writeFile(pairs, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await writeFile(join(folder, 'judge.json'), JSON.stringify(sampleJudge()));
    await mkdir(join(folder, 'store'));
  });
  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ script: honest, models: ['the-judge'] });
  });
  afterEach(async () => {
    for (const command of commands.splice(0)) await command.kill();
    await endpoint.close();
  });
  after(() => rm(folder, { recursive: true }));

  /** Starts the program in a separate process, optionally on a terminal of so many columns. */
  class Command {
    readonly child: ChildProcess;
    out = '';
    err = '';
    /** True once it has ended and all of its output was read. */
    #isClosed = false;

    constructor(args: readonly string[], columns?: number) {
      const program = [process.execPath, join(packageRoot, 'src', 'cli', 'main.ts'), ...args];
      const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
      const terminal = [python, join(packageRoot, 'test/support/run_in_terminal.py'), `${columns}`, '30'];
      const [file = '', ...rest] = columns === undefined ? program : [...terminal, ...program];
      const { CI: _, NO_COLOR: __, ...environment } = process.env;
      const store = join(folder, 'store');
      this.child = spawn(file, rest, {
        cwd: folder,
        env: { ...environment, TERM: 'xterm-256color', SELF_TAUGHT_EVALUATOR_STORE: store },
      });
      this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.out += text));
      this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.err += text));
      this.child.on('close', () => (this.#isClosed = true));
      commands.push(this);
    }

    async ended(): Promise<number | null> {
      if (!this.#isClosed) await once(this.child, 'close');
      return this.child.exitCode;
    }

    async kill(): Promise<void> {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return;
      this.child.kill('SIGKILL');
      await once(this.child, 'close');
    }
  }

  const atEndpoint = (...more: string[]) => [
    ...[
      'judge',
      pairs,
      '--model',
      endpoint.baseUrl,
      '--served-model-name',
      'the-judge',
      '--judge',
      'judge.json',
    ],
    ...more,
  ];
  async function run(args: readonly string[]): Promise<Command & { code: number | null }> {
    const command = new Command(args);
    return Object.assign(command, { code: await command.ended() });
  }
  async function verdictsIn(name: string): Promise<JudgedPair[]> {
    const text = await readFile(join(folder, name), 'utf8');
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as JudgedPair);
  }

  it('writes a verdict with its judgments for each row, in both orders and with votes, and prints the figures', async () => {
    const { code, out, err } = await run(atEndpoint('--both-orders', '--votes', '3', '--json'));
    assert.equal(code, 0, err);
    const figures = JSON.parse(out) as PairsJudgingFigures & { out: string };
    assert.deepEqual(
      [figures.pairs, figures.labelledPairs, figures.accuracy, figures.positionConsistency],
      [PAIRS, PAIRS, 1, 1],
    );
    assert.deepEqual([figures.judgments, figures.requests], [6 * PAIRS, 2 * PAIRS]);
    assert.match(err, /the-judge judges 120 pairs of .*: 240 requests of 3 votes each\. Verdicts: /);
    assert.equal(figures.out, join(folder, 'pairs.verdicts.jsonl'));
    const verdicts = await verdictsIn('pairs.verdicts.jsonl');
    assert.deepEqual(
      verdicts.map(({ row }) => row),
      Array.from({ length: PAIRS }, (_, row) => row),
    );
    const [, second] = verdicts;
    assert.deepEqual([second?.verdict, second?.consistent, second?.correct], ['tie', true, true]);
    assert.deepEqual(
      second?.orders.map(({ order, votes, judgments }) => [order, votes.tie, judgments[0]?.text]),
      [
        ['as-given', 3, 'I look. [[C]]'],
        ['swapped', 3, 'I look. [[C]]'],
      ],
    );
    // Complete verdicts need no further requests.
    const asked = endpoint.requests.length;
    const again = await run(atEndpoint('--both-orders', '--votes', '3'));
    assert.equal(again.code, 0, again.err);
    assert.equal(endpoint.requests.length, asked);
    assert.match(again.out, /accuracy +│ +100\.0% \(96\.9–100\.0\)/);
  });

  it('continues after kill -9, writes the same file, and repeats at most the requests in flight', async () => {
    const whole = await run(atEndpoint('--out', 'whole.jsonl'));
    assert.equal(whole.code, 0, whole.err);
    endpoint.requests.length = 0;
    const file = join(folder, 'killed.jsonl');
    const held = new HeldAnswers(endpoint, honest);
    let torn = 0;
    for (const answers of [0, 40, 80]) {
      held.answerUntil(answers);
      const command = new Command(atEndpoint('--out', 'killed.jsonl', '--concurrency', '4'));
      await held.stored(`${file}.journal`, 4, command.child, torn);
      await command.kill();
      assert(!existsSync(file), 'the output was written before all pairs were judged');
      if (answers !== 40) continue;
      await tearLastRecord();
      torn = 1;
    }
    endpoint.script(honest);
    const last = await run(atEndpoint('--out', 'killed.jsonl', '--concurrency', '4'));
    assert.equal(last.code, 0, last.err);
    assert.deepEqual(await readFile(file), await readFile(join(folder, 'whole.jsonl')));
    assert(!existsSync(`${file}.journal`));
    assert.equal(repeatedRequests(endpoint.requests), 3 * 4 + torn);

    async function tearLastRecord(): Promise<void> {
      const segments = await Array.fromAsync(glob('**/segment-*.jsonl', { cwd: `${file}.journal` }));
      const sizes = await Promise.all(
        segments.map(async (name) => ({ name, text: await readFile(join(`${file}.journal`, name)) })),
      );
      const [longest] = sizes.sort((one, other) => other.text.length - one.text.length);
      assert(longest !== undefined);
      await writeFile(join(`${file}.journal`, longest.name), longest.text.subarray(0, -7));
    }
  });

  it('stops at Ctrl-C, and shows a bar on a terminal', async () => {
    endpoint.script((request) => (request.index > 60 ? { kind: 'hang' } : honest(request)));
    const command = new Command(atEndpoint('--out', 'stopped.jsonl', '--concurrency', '4'), 100);
    const shown = () => stripVTControlCharacters(command.out);
    while (!/judge +█+░+ \d+\/120 pairs .*left/.test(shown()) && command.child.exitCode === null)
      await sleep(20);
    command.child.stdin?.write('\u0003');
    assert.equal(await command.ended(), 130, shown());
    assert.match(shown(), /Stopped\. The same command continues from here\./);
  });

  it('waits for the GPUs of this machine, and stops at Ctrl-C, also while its server loads its model', async () => {
    const gpus = machineGpus(process.env);
    const held = await gpus.acquire({ runName: 'busy', owner: 'busy', purpose: 'trains M_1' });
    const checkpoint = join(folder, 'loads');
    await mkdir(checkpoint);
    await writeFile(join(checkpoint, 'config.json'), '{}');
    await writeFile(join(checkpoint, 'judge.json'), JSON.stringify(sampleJudge()));
    const started = join(folder, 'started.pid');
    const serve = `sh -c 'echo $$ > ${started}; exec sleep 600'`;
    const args = ['judge', pairs, '--model', checkpoint, '--serve', serve, '--out', 'z.jsonl'];
    const waiting = new Command(args);
    while (!waiting.err.includes('waits for the GPUs') && waiting.child.exitCode === null) await sleep(20);
    assert.match(
      waiting.err,
      /It waits for the GPUs of this machine: run busy trains M_1\. Ctrl-C ends the wait/,
    );
    waiting.child.kill('SIGINT');
    assert.equal(await waiting.ended(), 130, waiting.err);
    assert(!existsSync(started));
    await held.release();
    const command = new Command(args);
    const startedPid = () => readFile(started, 'utf8').catch(() => '');
    while ((await startedPid()) === '' && command.child.exitCode === null) await sleep(20);
    await sleep(500);
    assert.match((await gpus.usedByOthers('busy')) ?? '', /^the command judge serves .*loads$/);
    command.child.kill('SIGINT');
    assert.equal(await command.ended(), 130, command.err);
    assert.equal(await gpus.usedByOthers('busy'), undefined);
    assert.equal(await processStartTime(Number(await startedPid())), undefined, 'it runs');
  });

  it('reads verdicts behind the reasoning of a judge, and prints why judgments have none', async () => {
    const inDoubt = '<think>\n[[A]] or [[B]]?\n</think>\n\n';
    endpoint.script((request) => {
      if (request.index % 4 === 1) return { kind: 'answer', texts: [`${inDoubt}[[a]]`] };
      if (request.index % 4 === 2)
        return { kind: 'answer', texts: ['<think>\nSo [[A]]'], finishReason: 'length' };
      return {
        kind: 'answer',
        texts: [inDoubt + correctJudgment(request.body.messages.at(-1)?.content ?? '')],
      };
    });
    const { code, out, err } = await run(atEndpoint('--out', 'thinking.jsonl', '--json'));
    assert.equal(code, 0, err);
    const figures = JSON.parse(out) as PairsJudgingFigures;
    assert.deepEqual(figures.withoutVerdict, { 'almost: [[a]]': 30, 'all tokens spent on reasoning': 30 });
    const verdicts = await verdictsIn('thinking.jsonl');
    const decided = verdicts.filter(({ verdict }) => verdict !== 'none');
    assert.equal(decided.length, 60);
    assert(decided.every(({ correct }) => correct));
    const again = await run(atEndpoint('--out', 'thinking.jsonl'));
    assert.match(again.out, /almost: \[\[a\]\] +│ +30/);
    assert.match(again.out, /all tokens spent on reasoning +│ +30.*raise sampling\.maxTokens/s);
  });

  it('works in a folder of any name, with any file names', async () => {
    const odd = join(folder, `it's 100% #1 "[x]?" {a,b} *\n é 数`);
    await mkdir(odd);
    await cp(pairs, join(odd, 'p #1?.jsonl'));
    await cp(join(folder, 'judge.json'), join(odd, 'judge [1].json'));
    const { code, out, err } = await run([
      ...atEndpoint().with(1, join(odd, 'p #1?.jsonl')).with(-1, join(odd, 'judge [1].json')),
      ...['--json', '--out', join(odd, 'v%20.jsonl'), '--store', join(odd, 'store')],
    ]);
    assert.equal(code, 0, err);
    assert.equal((JSON.parse(out) as PairsJudgingFigures).accuracy, 1);
  });

  it('writes a line without a verdict for a pair that the endpoint refuses', async () => {
    const error = { message: 'maximum context length', code: 'context_length_exceeded' };
    endpoint.script((request) =>
      request.body.messages.at(-1)?.content.includes('which is more, 3?') === true
        ? { kind: 'status', status: 400, error }
        : honest(request),
    );
    const { code, out } = await run(atEndpoint('--out', 'refused.jsonl', '--json'));
    assert.equal(code, 0);
    assert.equal((JSON.parse(out) as PairsJudgingFigures).failed, 1);
    const refused = (await verdictsIn('refused.jsonl'))[3];
    assert.deepEqual(
      [refused?.verdict, refused?.correct, refused?.failed?.reason],
      ['none', false, 'context-length'],
    );
  });

  it('stops if the endpoint refuses nearly all pairs, and sends these pairs again the next time', async () => {
    const error = { message: 'max_tokens is too large', code: 'invalid' };
    const asksFor = (row: number, text: string) => text.includes(`which is more, ${row}?`);
    endpoint.script((request) =>
      isCanary(request.body) ||
      [0, 1].some((row) => asksFor(row, request.body.messages.at(-1)?.content ?? ''))
        ? honest(request)
        : { kind: 'status', status: 400, error },
    );
    const refused = await run(atEndpoint('--out', 'all-refused.jsonl'));
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /refused more than 20 of 120 pairs, the last one row \d+ with: .*max_tokens is too large.*the same command then sends them again/,
    );
    assert(!existsSync(join(folder, 'all-refused.jsonl')));
    endpoint.script(honest);
    endpoint.requests.length = 0;
    const repeated = await run(atEndpoint('--out', 'all-refused.jsonl', '--json'));
    assert.equal(repeated.code, 0, repeated.err);
    assert.deepEqual(
      [
        (JSON.parse(repeated.out) as PairsJudgingFigures).accuracy,
        (JSON.parse(repeated.out) as PairsJudgingFigures).failed,
      ],
      [1, 0],
    );
    const asked = endpoint.requests.filter(({ body }) => !isCanary(body));
    assert.equal(asked.length, PAIRS - 2);
    assert(!existsSync(join(folder, 'all-refused.jsonl.journal')));
  });

  it('fails after printing the figures if more pairs of a small file were refused than allowed', async () => {
    const few = join(folder, 'few.jsonl');
    const rows = ['short', 'long'].map((instruction) => ({
      instruction,
      chosen: 'it is 1',
      rejected: 'it is 0',
    }));
    await writeFile(few, rows.map((row) => JSON.stringify(row)).join('\n'));
    endpoint.script((request) =>
      request.body.messages.at(-1)?.content.includes('long') === true
        ? { kind: 'status', status: 400, error: { message: 'too long', code: 'context_length_exceeded' } }
        : honest(request),
    );
    const command = atEndpoint('--out', 'few.verdicts.jsonl').with(1, few);
    const { code, out, err } = await run(command);
    assert.equal(code, 1);
    assert.match(out, /refused by the endpoint +│ +1 /);
    assert.match(err, /refused 1 of the 2 pairs, row 1 with: .*too long/);
    assert.equal((await run([...command, '--max-refused-share', '0.5'])).code, 0);
  });

  it('serves the embedded model from its checkpoint folder, and stops its server', async () => {
    const checkpoint = join(folder, 'checkpoint');
    await cp(join(packageRoot, 'embedded/model'), checkpoint, { recursive: true });
    const test = join(packageRoot, 'embedded/benchmark/test.jsonl');
    const args = ['judge', test, '--model', checkpoint, '--both-orders', '--json', '--out', 'embedded.jsonl'];
    const without = await run(args);
    assert.equal(without.code, 3);
    assert.match(
      without.err,
      /the checkpoint .*checkpoint has no judge\.json.* Give the judge\.json to use with --judge/,
    );
    const prompt = await readPrompt({ roots: [packageRoot] }, 'prompts/compact/judge', []);
    const judge: JudgeFile = {
      ...sampleJudge({ sampling: { temperature: 0, topP: 1, maxTokens: 32 } }),
      prompt: { user: prompt.user },
    };
    await writeFile(join(checkpoint, 'judge.json'), JSON.stringify(judge));
    const { code, out, err } = await run(args);
    assert.equal(code, 0, err);
    const figures = JSON.parse(out) as PairsJudgingFigures;
    // The figures of the seed model in every run (README.md): accuracy 69.7% over both orders, 40.0% in both orders.
    assert.deepEqual([figures.orderAccuracy?.toFixed(3), figures.accuracy?.toFixed(3)], ['0.697', '0.400']);
    const servers = join(folder, 'store/.machines');
    assert.deepEqual(await Array.fromAsync(glob('**/*.server.json', { cwd: servers })), []);
  });

  it('reports what is wrong, where, and what to do, with an exit code for each kind of error', async () => {
    const bad = join(folder, 'bad.jsonl');
    await writeFile(bad, '{"prompt": "i", "chosen": "a", "rejected": "b"}\n{"prompt": "i", "chosen": "a"}\n');
    const [, , ...model] = atEndpoint();
    const cases: [args: string[], code: number, message: RegExp][] = [
      [['judge', bad, ...model], 2, /bad\.jsonl: one row holds no pair.*\n {2}row 1: no field "rejected"/],
      [['judge', 'nothing.jsonl', ...model], 2, /nothing\.jsonl: does not exist/],
      [
        ['judge', pairs, '--model', 'nobody'],
        3,
        /--model nobody is neither a run in the store .*store.*config\.json.*has no runs/,
      ],
      [['judge', pairs, '--model', 'run:nobody/best'], 3, /no run "nobody" in the store/],
      [
        ['judge', pairs, '--model', endpoint.baseUrl],
        2,
        /give the judge\.json of the checkpoint with --judge.*--served-model-name/,
      ],
      [
        [...atEndpoint('--out', 'x.jsonl'), '--served-model-name', 'jduge'].filter(
          (_, i) => i !== 4 && i !== 5,
        ),
        3,
        /jduge.*--served-model-name/,
      ],
      [
        atEndpoint('--out', 'killed.jsonl', '--votes', '5'),
        2,
        /contains the verdicts of another judging \(.*votes was 1, now 5/,
      ],
      [atEndpoint('--votes', '0'), 2, /votes is 0; expected a whole number of 1 or more/],
      [atEndpoint('--api-key-env', 'NO_SUCH_KEY', '--out', 'y.jsonl'), 4, /NO_SUCH_KEY.*is not set/],
    ];
    endpoint.script((request) =>
      request.body.model === 'jduge'
        ? { kind: 'status', status: 404, error: { message: 'no such model' } }
        : honest(request),
    );
    for (const [args, code, message] of cases) {
      const result = await run(args);
      assert.equal(result.code, code, `${args.join(' ')}\n${result.err}`);
      assert.match(result.err, message);
      assert.equal(result.err.includes('    at '), false, result.err);
    }
    await endpoint.close();
    const down = await run(atEndpoint('--out', 'down.jsonl'));
    assert.equal(down.code, 4, down.err);
    assert.match(down.err, /gave no usable answer for model the-judge/);
  });
});
