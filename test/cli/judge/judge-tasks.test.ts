import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JudgedRecord } from '../../../src/pair-judging/judged-record.ts';
import type { RecordFigures } from '../../../src/pair-judging/record-figures.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { HeldAnswers } from '../../support/held-answers.ts';
import { sampleJudge } from '../../support/sample-judge.ts';
import {
  startScriptedEndpoint,
  type Script,
  type ScriptedEndpoint,
} from '../../support/scripted-endpoint.ts';
import { repeatedRequests } from '../../support/scripted-run.ts';

/** Knows that 7 is the answer. */
const honest: Script = ({ body }) => {
  const [system = '', question = ''] = [body.messages[0]?.content, body.messages.at(-1)?.content];
  const isRight = /\nit is 7\n/.test(question);
  const best = /Start of Assistant ([A-Z])'s Answer\]\nit is 7\n/.exec(question)?.[1] ?? 'A';
  const verdict = system.includes('"[[correct]]"')
    ? isRight
      ? '[[correct]]'
      : '[[incorrect]]'
    : system.includes('from 1 to 10')
      ? isRight
        ? '[[9]]'
        : '[[2]]'
      : `[[${best}]]`;
  return {
    kind: 'answer',
    texts: Array.from({ length: body.n ?? 1 }, () => `I look. ${verdict}`),
    afterMilliseconds: 5,
  };
};

describe('the command judge, for tasks beyond pairs', function () {
  this.timeout(180_000);
  let folder: string;
  let endpoint: ScriptedEndpoint;
  const children: ChildProcess[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'judge-tasks-'));
    await writeFile(join(folder, 'judge.json'), JSON.stringify(sampleJudge()));
    await mkdir(join(folder, 'store'));
  });
  beforeEach(async () => {
    endpoint = await startScriptedEndpoint({ script: honest, models: ['the-judge'] });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child);
    await endpoint.close();
  });
  after(() => rm(folder, { recursive: true }));

  async function write(name: string, rows: readonly object[]): Promise<void> {
    await writeFile(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
  function start(...args: string[]) {
    const judge = args.includes('--judge') ? [] : ['--judge', 'judge.json'];
    const model = ['--model', endpoint.baseUrl, '--served-model-name', 'the-judge', ...judge];
    const main = join(packageRoot, 'src', 'cli', 'main.ts');
    const environment = { ...process.env, SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'store') };
    const child = spawn(process.execPath, [main, 'judge', ...args, ...model], {
      cwd: folder,
      env: environment,
    });
    children.push(child);
    const printed = { out: '', err: '' };
    child.stdout.on('data', (data: Buffer) => (printed.out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (printed.err += data.toString()));
    return { child, printed };
  }
  async function run(...args: string[]) {
    const { child, printed } = start(...args);
    await once(child, 'close');
    return { ...printed, code: child.exitCode };
  }
  async function figuresOf(...args: string[]): Promise<RecordFigures> {
    const { out, err, code } = await run(...args, '--json');
    assert.equal(code, 0, err);
    return JSON.parse(out) as RecordFigures;
  }
  async function linesOf(name: string): Promise<JudgedRecord[]> {
    const text = await readFile(join(folder, name), 'utf8');
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as JudgedRecord);
  }
  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  }

  it('scores responses, as the field "score" says, and prints their agreement with it', async () => {
    await write('scores.jsonl', [
      { id: 'a', instruction: 'q', response: 'it is 7', score: 8.5, rubric: 'short' },
      { id: 'b', instruction: 'r', response: 'it is 8', score: 4 },
      { instruction: 's', response: 'it is 9' },
    ]);
    const figures = await figuresOf('scores.jsonl', '--votes', '2', '--temperature', '0.5');
    assert.deepEqual(
      [figures.task, figures.records, figures.labelledRecords, figures.requests, figures.judgments],
      ['score', 3, 2, 3, 6],
    );
    assert.deepEqual(figures.agreement, { withinOnePoint: 0.5, meanError: 1.25, spearman: 1, pearson: 1 });
    assert.equal(figures.meanScore, 13 / 3);
    const lines = await linesOf('scores.verdicts.jsonl');
    assert.deepEqual(
      lines.map(({ row, id, task, verdict, label, error }) => [row, id, task, verdict, label, error]),
      [
        [0, 'a', 'score', 9, 8.5, 0.5],
        [1, 'b', 'score', 2, 4, 2],
        [2, '2', 'score', 2, undefined, undefined],
      ],
    );
    assert.match(endpoint.requests.at(-1)?.body.messages[0]?.content ?? '', /from 1 \(not at all\) to 10/);
    const table = await run('scores.jsonl', '--votes', '2', '--temperature', '0.5');
    assert.match(table.out, /within one point of the label of 2 with a label +│ +50\.0%/);
    assert.match(
      table.err,
      /those of prompts\/score are used.*judges 3 records of .*: 3 requests of 2 votes each/s,
    );
  });

  it('says whether responses are correct, with the reference of a row that has one', async () => {
    await write('answers.jsonl', [
      { instruction: 'q', response: 'it is 7', correct: true },
      { instruction: 'r', response: 'it is 8', reference: 'it is 9', correct: true },
      { instruction: 's', response: 'it is 7' },
    ]);
    const figures = await figuresOf('answers.jsonl');
    assert.deepEqual(
      [figures.task, figures.accuracy, figures.verdicts],
      ['verify', 0.5, { correct: 2, incorrect: 1 }],
    );
    assert(figures.accuracyInterval && figures.accuracyInterval.high > 0.5);
    assert.deepEqual(
      (await linesOf('answers.verdicts.jsonl')).map(({ verdict, label, correct }) => [
        verdict,
        label,
        correct,
      ]),
      [
        ['correct', 'correct', true],
        ['incorrect', 'correct', false],
        ['correct', undefined, undefined],
      ],
    );
  });

  it('chooses the best of several responses in every place; it continues after kill -9 and writes the same file', async () => {
    const rows = Array.from({ length: 60 }, (_, row) => ({
      instruction: `which, ${row}?`,
      responses: ['it is 1', 'it is 7', `it is ${row + 10}`],
      best: row === 0 ? 0 : 1,
    }));
    await write('groups.jsonl', rows);
    const args = ['groups.jsonl', '--both-orders', '--concurrency', '4', '--out'];
    const whole = await run(...args, 'whole.jsonl', '--json');
    assert.match(whole.err, /judges 60 records of .*: 180 requests\. Verdicts/);
    const figures = JSON.parse(whole.out) as RecordFigures;
    assert.deepEqual([figures.task, figures.accuracy, figures.positionConsistency], ['rank', 59 / 60, 1]);
    assert.equal(figures.requests, 180);
    const [first] = await linesOf('whole.jsonl');
    assert.deepEqual(
      [first?.verdict, first?.label, first?.correct, first?.points, first?.turns.map(({ shown }) => shown)],
      [
        1,
        0,
        false,
        [0, 1, 0],
        [
          [0, 1, 2],
          [1, 2, 0],
          [2, 0, 1],
        ],
      ],
    );
    endpoint.requests.length = 0;
    const held = new HeldAnswers(endpoint, honest);
    for (const answers of [20, 90]) {
      held.answerUntil(answers);
      const { child } = start(...args, 'killed.jsonl');
      await held.stored(join(folder, 'killed.jsonl.journal'), 4, child);
      await kill(child);
      assert(!existsSync(join(folder, 'killed.jsonl')));
    }
    endpoint.script(honest);
    await figuresOf(...args, 'killed.jsonl');
    assert.deepEqual(
      await readFile(join(folder, 'killed.jsonl')),
      await readFile(join(folder, 'whole.jsonl')),
    );
    // Only the four requests that were in flight are sent again.
    assert.equal(repeatedRequests(endpoint.requests), 2 * 4);
  });

  it('says which rows are unusable, and asks for the task if the fields fit several', async () => {
    await write('bad.jsonl', [
      { instruction: 'q', response: 'it is 7', correct: true },
      { instruction: 'q', response: 'it is 7', correct: 'yes' },
    ]);
    const bad = await run('bad.jsonl');
    assert.equal(bad.code, 2);
    assert.match(
      bad.err,
      /bad\.jsonl: one row holds no record for the task verify.*\n {2}row 1: "correct" is "yes"/,
    );
    await write('plain.jsonl', [{ instruction: 'q', response: 'it is 7' }]);
    const plain = await run('plain.jsonl');
    assert.equal(plain.code, 2);
    assert.match(
      plain.err,
      /plain\.jsonl: its rows have a response, but .*Set --task score or --task verify/,
    );
    assert.equal(endpoint.requests.length, 0);
    const set = await figuresOf('plain.jsonl', '--task', 'verify');
    assert.deepEqual([set.task, set.accuracy, set.labelledRecords], ['verify', null, 0]);
    const other = await run('plain.jsonl', '--task', 'score');
    assert.equal(other.code, 2);
    assert.match(
      other.err,
      /contains the verdicts of another judging \(.*task was "?verify"?, now "?score"?/,
    );
  });

  it('asks with the prompts of judge.json if it has those of the task', async () => {
    const prompt = (user: string) => ({ system: 'Say "[[correct]]".', user });
    const verify = {
      plain: prompt('OWN {instruction} {response}'),
      reference: prompt('OWN {instruction} {response} {reference}'),
    };
    await writeFile(join(folder, 'own.json'), JSON.stringify(sampleJudge({ tasks: { verify } })));
    await write('own.jsonl', [{ instruction: 'q', response: 'it is 7', reference: '8', correct: false }]);
    const { code, err } = await run('own.jsonl', '--judge', 'own.json');
    assert.equal(code, 0, err);
    assert.doesNotMatch(err, /are used/);
    assert.equal(endpoint.requests.at(-1)?.body.messages.at(-1)?.content, 'OWN q it is 7 8');
  });

  it('has a line without a verdict for a record that the endpoint refuses, which counts as the farthest score', async () => {
    endpoint.script((request) =>
      request.body.messages.at(-1)?.content.includes('too long') === true
        ? { kind: 'status', status: 400, error: { message: 'long', code: 'context_length_exceeded' } }
        : honest(request),
    );
    await write('refused.jsonl', [
      { instruction: 'q', response: 'it is 7', score: 9 },
      { instruction: 'too long', response: 'it is 8', score: 4 },
    ]);
    const { code, out, err } = await run('refused.jsonl', '--json');
    assert.equal(code, 1);
    assert.match(err, /refused 1 of the 2 records, row 1 with: .*long/);
    const figures = JSON.parse(out) as RecordFigures;
    assert.deepEqual(
      [figures.failed, figures.withoutVerdictRecords, figures.agreement?.meanError],
      [1, 1, 3],
    );
    const [, line] = await linesOf('refused.verdicts.jsonl');
    assert.deepEqual([line?.verdict, line?.error, line?.failed?.reason], ['none', 6, 'context-length']);
    endpoint.script(honest);
    assert.equal((await figuresOf('refused.jsonl')).failed, 0);
  });
});
