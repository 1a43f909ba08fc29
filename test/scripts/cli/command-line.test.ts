import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePorts } from '../../../scripts/setup/free-ports.ts';
import { withVariables } from '../../../scripts/cli/command.ts';
import { COMMANDS } from '../../../scripts/cli/commands/index.ts';
import { packageRoot } from '../../workflows/cluster.ts';
import { runProgram } from './program.ts';

describe('the command line', function () {
  this.timeout(60_000);
  let folder: string;
  let nowhere: NodeJS.ProcessEnv;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'command-line-'));
    const [port] = await freePorts(1);
    nowhere = { TEMPORAL_ADDRESS: `127.0.0.1:${port}` };
  });

  after(() => rmSync(folder, { recursive: true }));

  const write = (name: string, content: unknown): string => {
    const file = join(folder, name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };

  it('lists every command by its group, and says of each what it takes, with an example', async () => {
    const help = await runProgram(['--help']);
    assert.equal(help.code, 0);
    for (const { usage } of COMMANDS) assert(help.out.includes(`\n  ${usage} `), usage);
    assert.match(help.out, /\nRun:\n(?: .*\n)* {2}start <configuration> {2,}Start a run/);
    assert(help.out.split('\n').every((line) => line.length <= 110));

    const worker = await runProgram(['worker', '--help']);
    assert.equal(worker.code, 0);
    assert.match(
      worker.out,
      /--log-level +The least that is logged[^[]*\[LOG_LEVEL\][^[]*\[string\] \[default: info\]/,
    );
    assert.match(worker.out, /Examples:\n {2}self-taught-evaluator worker /);

    const nothing = await runProgram([]);
    assert.deepEqual([nothing.code, nothing.out], [2, '']);
    assert.match(nothing.err, /^self-taught-evaluator <command>\n/);
  });

  const mistakes: [what: string, args: string[], code: number, message: RegExp][] = [
    [
      'an unknown command',
      ['folow'],
      2,
      /^There is no command "folow"\. Did you mean follow\? ".* --help" lists/,
    ],
    [
      'a command like no other',
      ['xyzzy'],
      2,
      /^There is no command "xyzzy"\. "self-taught-evaluator --help"/,
    ],
    [
      'an unknown option',
      ['follow', '--jsn'],
      2,
      /^Unknown argument: jsn\. "self-taught-evaluator follow --help"/,
    ],
    ['a missing argument', ['start'], 2, /^Something is missing in "start <configuration>"\. /],
    ['an option without its value', ['worker', '--roles'], 2, /^Not enough arguments following: roles\. /],
    [
      'an option that is given twice',
      ['worker', '--roles', 'gpu', '--roles', 'x'],
      2,
      /^--roles is given 2 times/,
    ],
    ['a word for a number', ['set-iterations', 'run', 'many'], 2, /^iterations must be a number\.$/m],
    ['an unknown role', ['worker', '--roles', 'gpu,cpu'], 2, /^--roles: unknown role "cpu"; known: workflow/],
    [
      'a port that is none',
      ['temporal', '--port', '99999'],
      2,
      /^--port or SELF_\w+_PORT is "99999", and must be/,
    ],
    ['a seed that is none', ['demo', '--seed', 'x'], 2, /^--seed is "x", and must be a whole number\.$/m],
    [
      'no file',
      ['start', 'none.json'],
      2,
      /^Cannot read the configuration \/.*\/none\.json: there is no such file\.$/m,
    ],
    ['no server', ['follow', 'run'], 4, /^No Temporal server answers at 127\.0\.0\.1:\d+ /],
    ['no server for a start', ['start', 'temporal/inputs/embedded.json'], 4, /^No Temporal server answers/],
    ['no server for a worker', ['worker'], 4, /No Temporal server answers at 127\.0\.0\.1:\d+ /],
  ];
  for (const [what, args, code, message] of mistakes) {
    it(`ends with ${code} where there is ${what}, and says what to do without a stack`, async () => {
      const store = { SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'unused') };
      const { code: ended, out, err } = await runProgram(args, { ...nowhere, ...store });
      assert.deepEqual([ended, out], [code, ''], err);
      assert.match(err, message);
      assert.doesNotMatch(err, /\n {4}at /);
    });
  }

  it('names every wrong field of a configuration before it asks a server, of a run and of an evaluation', async () => {
    const [run, evaluation] = await Promise.all([
      runProgram(['start', write('run.json', { runName: 'a/b', iterations: 0, models: {} })], nowhere),
      runProgram(
        ['start', write('evaluation.json', { runName: 'x', model: {}, serving: { kind: 'y' } })],
        nowhere,
      ),
    ]);
    assert.equal(run.code, 2);
    assert.match(run.err, /^\/.*\/run\.json: The configuration can't be used, \d+ things are wrong:\n/);
    for (const field of ['runName', 'iterations', 'models.seed', 'serving', 'instructions', 'evaluation'])
      assert.match(run.err, new RegExp(`^  ${field}: `, 'm'));
    assert.equal(evaluation.code, 2);
    for (const field of ['model.checkpoint', 'serving.kind', 'evaluation'])
      assert.match(evaluation.err, new RegExp(`^  ${field}: `, 'm'));

    const broken = await runProgram(['start', write('broken.json', '{"runName": ')], nowhere);
    assert.equal(broken.code, 2);
    assert.match(broken.err, /broken\.json: it is no JSON \(/);
    const list = await runProgram(['start', write('list.json', [])], nowhere);
    assert.match(list.err, /list\.json: it must be a JSON object/);
    const demo = await runProgram([
      'demo',
      '--config',
      join(packageRoot, 'temporal/inputs/evaluate-embedded.json'),
    ]);
    assert.equal(demo.code, 2);
    assert.match(
      demo.err,
      /evaluate-embedded\.json configures an evaluation without training, and the demo does runs/,
    );
  });

  it('says an error as one line of JSON on standard error with --json', async () => {
    const lines = await Promise.all(
      [
        ['start', 'none.json'],
        ['follow', 'run'],
        ['follow', '--nope'],
      ].map((args) => runProgram([...args, '--json'], nowhere)),
    );
    const errors = lines.map(({ out, err }) => {
      assert.equal(out, '');
      return JSON.parse(err) as { error: string; ending: string };
    });
    assert.deepEqual(
      errors.map(({ ending }) => ending),
      ['usage', 'unreachable', 'usage'],
    );
    assert.match(errors[0]?.error ?? '', /none\.json: there is no such file\.$/);
  });

  it('ends in peace when who reads has enough', async () => {
    const file = pathToFileURL(join(packageRoot, 'scripts/cli/end-with-reader.ts')).href;
    const work = `import { endWithReader } from '${file}'; endWithReader(); setInterval(() => console.log('a line'), 10);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', work]);
    let err = '';
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await once(child, 'close');
    clearTimeout(killer);
    assert.deepEqual([child.exitCode, err], [0, '']);
  });

  it('completes commands, options, and names of runs from the store', async () => {
    for (const name of ['embedded', 'embedded-2', 'other', '.machines'])
      mkdirSync(join(folder, 'store', name), { recursive: true });
    const store = { SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'store'), ...nowhere };
    const completed = async (...words: string[]) =>
      (await runProgram(['--get-yargs-completions', 'self-taught-evaluator', ...words], store)).out
        .trim()
        .split('\n');
    assert((await completed('fol')).includes('follow'));
    assert((await completed('worker', '--')).includes('--task-queue'));
    assert.deepEqual(await completed('follow', 'emb'), ['embedded', 'embedded-2']);
    assert.equal((await completed('start', 'emb')).includes('embedded'), false);
    const script = await runProgram(['completion'], { SHELL: '/bin/bash' });
    assert.deepEqual([script.code, script.err], [0, '']);
    assert.match(script.out, /complete .*self-taught-evaluator/);
  });
});

describe('an option with a variable', () => {
  const options = {
    store: { describe: '', type: 'string', default: 'runs', variable: 'STORE' },
    level: { describe: '', type: 'string', variable: 'LEVEL' },
  } as const;

  it('is what was given, else what the variable says, else the default; an empty variable says nothing', () => {
    assert.deepEqual(withVariables(options, { store: 'given' }, { STORE: 'said', LEVEL: 'x' }), {
      store: 'given',
      level: 'x',
    });
    assert.deepEqual(withVariables(options, {}, { STORE: 'said' }), { store: 'said', level: undefined });
    assert.deepEqual(withVariables(options, {}, { STORE: '', LEVEL: '' }), {
      store: 'runs',
      level: undefined,
    });
  });
});
