import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { readPrompt } from '../../../src/config/input-files.ts';
import type { JudgeFile } from '../../../src/contract/judge-file.ts';
import type { JudgingFigures } from '../../../src/contract/judging-result.ts';
import type { JudgedPair } from '../../../src/judging/judged-pair.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../../inference/scripted-endpoint.ts';
import { honestAfter, sampleJudge } from '../../judging/sample-judge.ts';
import { askedTwice } from '../../workflows/scripted-run.ts';
import { packageRoot } from '../../workflows/cluster.ts';

const PAIRS = 120;

const honest = honestAfter(10);

describe('self-taught-evaluator judge', function () {
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

  /** The program in a process of its own, on a terminal of so many columns or without one. */
  class Command {
    readonly child: ChildProcess;
    out = '';
    err = '';

    constructor(args: readonly string[], columns?: number) {
      const program = [process.execPath, join(packageRoot, 'scripts', 'cli.ts'), ...args];
      const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
      const terminal = [python, join(packageRoot, 'test/scripts/follow/on_terminal.py'), `${columns}`, '30'];
      const [file = '', ...rest] = columns === undefined ? program : [...terminal, ...program];
      const { CI: _, NO_COLOR: __, ...environment } = process.env;
      const store = join(folder, 'store');
      this.child = spawn(file, rest, {
        cwd: folder,
        env: { ...environment, TERM: 'xterm-256color', SELF_TAUGHT_EVALUATOR_STORE: store },
      });
      this.child.stdout?.on('data', (data: Buffer) => (this.out += data.toString()));
      this.child.stderr?.on('data', (data: Buffer) => (this.err += data.toString()));
      commands.push(this);
    }

    async ended(): Promise<number | null> {
      if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
      return this.child.exitCode;
    }

    async kill(): Promise<void> {
      if (this.child.exitCode !== null || this.child.signalCode !== null) return;
      this.child.kill('SIGKILL');
      await once(this.child, 'close');
    }
  }

  const atEndpoint = (...more: string[]) => [
    ...['judge', pairs, '--model', endpoint.baseUrl, '--served-name', 'the-judge', '--judge', 'judge.json'],
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

  it('writes a verdict for each row with judgments, both orders and votes, and sums up', async () => {
    const { code, out, err } = await run(atEndpoint('--both-orders', '--votes', '3', '--json'));
    assert.equal(code, 0, err);
    const figures = JSON.parse(out) as JudgingFigures & { out: string };
    assert.deepEqual(
      [figures.pairs, figures.known, figures.accuracy, figures.positionConsistency],
      [PAIRS, PAIRS, 1, 1],
    );
    assert.deepEqual([figures.judgments, figures.calls], [6 * PAIRS, 2 * PAIRS]);
    assert.match(err, /the-judge judges the 120 pairs of .*: 240 requests of 3 votes each\. Verdicts: /);
    assert.equal(figures.out, join(folder, 'pairs.verdicts.jsonl'));
    const verdicts = await verdictsIn('pairs.verdicts.jsonl');
    assert.deepEqual(
      verdicts.map(({ row }) => row),
      Array.from({ length: PAIRS }, (_, row) => row),
    );
    const [, second] = verdicts;
    assert.deepEqual([second?.verdict, second?.consistent, second?.right], ['tie', true, true]);
    assert.deepEqual(
      second?.orders.map(({ order, votes, judgments }) => [order, votes.tie, judgments[0]?.text]),
      [
        ['as-given', 3, 'I look. [[C]]'],
        ['exchanged', 3, 'I look. [[C]]'],
      ],
    );
    // Nothing is asked again where everything is there.
    const asked = endpoint.requests.length;
    const again = await run(atEndpoint('--both-orders', '--votes', '3'));
    assert.equal(again.code, 0, again.err);
    assert.equal(endpoint.requests.length, asked);
    assert.match(again.out, /accuracy +│ +100\.0% \(96\.9–100\.0\)/);
  });

  it('goes on after kill -9, with the same file in the end, and asks at most what was under way again', async () => {
    const whole = await run(atEndpoint('--out', 'whole.jsonl'));
    assert.equal(whole.code, 0, whole.err);
    endpoint.requests.length = 0;
    const file = join(folder, 'killed.jsonl');
    for (const atLeast of [1, 40, 80]) {
      const command = new Command(atEndpoint('--out', 'killed.jsonl', '--concurrency', '4'));
      const lines = async () =>
        existsSync(file) ? (await readFile(file, 'utf8')).split('\n').length - 1 : 0;
      while ((await lines()) < atLeast && command.child.exitCode === null) await sleep(5);
      await command.kill();
      if (atLeast === 40) await writeFile(file, (await readFile(file)).subarray(0, -7));
    }
    const last = await run(atEndpoint('--out', 'killed.jsonl', '--concurrency', '4'));
    assert.equal(last.code, 0, last.err);
    assert.deepEqual(await readFile(file), await readFile(join(folder, 'whole.jsonl')));
    const twice = askedTwice(endpoint.requests);
    assert(twice <= 3 * 2 * 4 + 1, `${twice} requests were sent twice`);
  });

  it('stops at Ctrl-C, and shows a bar on a terminal', async () => {
    endpoint.script((request) => (request.index > 60 ? { kind: 'hang' } : honest(request)));
    const command = new Command(atEndpoint('--out', 'stopped.jsonl', '--concurrency', '4'), 100);
    const shown = () => stripVTControlCharacters(command.out);
    while (!/judge +█+░+ \d+\/120 pairs .*left/.test(shown()) && command.child.exitCode === null)
      await sleep(20);
    command.child.stdin?.write('\u0003');
    assert.equal(await command.ended(), 130, shown());
    assert.match(shown(), /Stopped\. The same command goes on where it is now\./);
  });

  it('stops at Ctrl-C while a server loads its model, and takes the server along', async () => {
    const checkpoint = join(folder, 'loads');
    await mkdir(checkpoint);
    await writeFile(join(checkpoint, 'config.json'), '{}');
    await writeFile(join(checkpoint, 'judge.json'), JSON.stringify(sampleJudge()));
    const started = join(folder, 'started.pid');
    const serve = `sh -c 'echo $$ > ${started}; exec sleep 600'`;
    const command = new Command([
      'judge',
      pairs,
      '--model',
      checkpoint,
      '--serve',
      serve,
      '--out',
      'z.jsonl',
    ]);
    while (!existsSync(started) && command.child.exitCode === null) await sleep(20);
    await sleep(500);
    command.child.kill('SIGINT');
    assert.equal(await command.ended(), 130, command.err);
    const pid = Number(await readFile(started, 'utf8'));
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });

  it('gives a pair that the endpoint refuses a line without a verdict', async () => {
    const error = { message: 'maximum context length', code: 'context_length_exceeded' };
    endpoint.script((request) =>
      request.body.messages.at(-1)?.content.includes('which is more, 3?') === true
        ? { kind: 'status', status: 400, error }
        : honest(request),
    );
    const { code, out } = await run(atEndpoint('--out', 'refused.jsonl', '--json'));
    assert.equal(code, 0);
    assert.equal((JSON.parse(out) as JudgingFigures).failed, 1);
    const refused = (await verdictsIn('refused.jsonl'))[3];
    assert.deepEqual(
      [refused?.verdict, refused?.right, refused?.failed?.reason],
      ['none', false, 'context-length'],
    );
  });

  it('stops where the endpoint refuses nearly all, and asks about these pairs again', async () => {
    const error = { message: 'max_tokens is too large', code: 'invalid' };
    const asksFor = (row: number, text: string) => text.includes(`which is more, ${row}?`);
    endpoint.script((request) =>
      request.body.max_tokens === 1 ||
      [0, 1].some((row) => asksFor(row, request.body.messages.at(-1)?.content ?? ''))
        ? honest(request)
        : { kind: 'status', status: 400, error },
    );
    const refused = await run(atEndpoint('--out', 'all-refused.jsonl'));
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /refused 21 of the first 23 pairs, row 22 with: .*max_tokens is too large.*the same command asks about them again/,
    );
    assert.equal((await verdictsIn('all-refused.jsonl')).length, 23);
    endpoint.script(honest);
    endpoint.requests.length = 0;
    const mended = await run(atEndpoint('--out', 'all-refused.jsonl', '--json'));
    assert.equal(mended.code, 0, mended.err);
    assert.deepEqual(
      [
        (JSON.parse(mended.out) as JudgingFigures).accuracy,
        (JSON.parse(mended.out) as JudgingFigures).failed,
      ],
      [1, 0],
    );
    const asked = endpoint.requests.filter(({ body }) => body.max_tokens !== 1);
    assert.equal(asked.length, PAIRS - 2);
    assert(!existsSync(join(folder, 'all-refused.jsonl.earlier')));
  });

  it('says when more of a small file were refused than may be, after its figures', async () => {
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
    assert.equal((await run([...command, '--maximum-refused-share', '0.5'])).code, 0);
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
      /the checkpoint .*checkpoint carries no judge\.json.* Name the judge\.json to use by --judge/,
    );
    const prompt = await readPrompt({ roots: [packageRoot] }, 'prompts/compact/judge', []);
    const judge: JudgeFile = {
      ...sampleJudge({ sampling: { temperature: 0, topP: 1, maxTokens: 32 } }),
      prompt: { user: prompt.user },
    };
    await writeFile(join(checkpoint, 'judge.json'), JSON.stringify(judge));
    const { code, out, err } = await run(args);
    assert.equal(code, 0, err);
    const figures = JSON.parse(out) as JudgingFigures;
    // As the seed model is in every run (README.md): 69.7% over both orders, 40.0% right in both.
    assert.deepEqual([figures.orderAccuracy?.toFixed(3), figures.accuracy?.toFixed(3)], ['0.697', '0.400']);
    const servers = join(folder, 'store/.machines');
    assert.deepEqual(await Array.fromAsync(glob('**/*.server.json', { cwd: servers })), []);
  });

  it('says what is wrong, where and what to do, with an exit code of its own', async () => {
    const bad = join(folder, 'bad.jsonl');
    await writeFile(bad, '{"prompt": "i", "chosen": "a", "rejected": "b"}\n{"prompt": "i", "chosen": "a"}\n');
    const [, , ...model] = atEndpoint();
    const cases: [args: string[], code: number, message: RegExp][] = [
      [['judge', bad, ...model], 2, /bad\.jsonl: one row holds no pair.*\n {2}row 1: no field "rejected"/],
      [['judge', 'nothing.jsonl', ...model], 2, /nothing\.jsonl: does not exist/],
      [
        ['judge', pairs, '--model', 'nobody'],
        3,
        /--model nobody is neither a run of the store .*store.*config\.json.*has no runs/,
      ],
      [['judge', pairs, '--model', 'run:nobody/best'], 3, /no run "nobody" in the store/],
      [
        ['judge', pairs, '--model', endpoint.baseUrl],
        2,
        /name judge\.json of the checkpoint by --judge.*--served-name/,
      ],
      [
        [...atEndpoint('--out', 'x.jsonl'), '--served-name', 'jduge'].filter((_, i) => i !== 4 && i !== 5),
        3,
        /jduge.*--served-name/,
      ],
      [
        atEndpoint('--out', 'killed.jsonl', '--votes', '5'),
        2,
        /holds the verdicts of another judging \(.*votes is 1 there, 5 here/,
      ],
      [atEndpoint('--votes', '0'), 2, /votes is 0, and must be 1 or more/],
      [atEndpoint('--api-key-variable', 'NO_SUCH_KEY', '--out', 'y.jsonl'), 4, /NO_SUCH_KEY.*is not set/],
    ];
    endpoint.script((request) =>
      request.body.model === 'jduge'
        ? { kind: 'status', status: 404, error: { message: 'no such model' } }
        : honest(request),
    );
    for (const [args, code, message] of cases) {
      const found = await run(args);
      assert.equal(found.code, code, `${args.join(' ')}\n${found.err}`);
      assert.match(found.err, message);
      assert.equal(found.err.includes('    at '), false, found.err);
    }
    await endpoint.close();
    const down = await run(atEndpoint('--out', 'down.jsonl'));
    assert.equal(down.code, 4, down.err);
    assert.match(down.err, /gave no usable answer for model the-judge/);
  });
});
