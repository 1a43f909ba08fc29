import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePorts } from '../../src/platform/ports.ts';
import { withEnvironmentVariables } from '../../src/cli/core/define-command.ts';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { runBin } from '../support/run-cli.ts';

describe('the command line', function () {
  this.timeout(180_000);
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

  it('lists every command by group, and the options and examples of each command', async () => {
    const help = await runBin(['--help']);
    assert.equal(help.code, 0);
    for (const { usage } of COMMANDS) assert(help.out.includes(`\n  ${usage} `), usage);
    assert.match(help.out, /\nRun:\n(?: .*\n)* {2}start <configuration> {2,}Start a run/);
    assert(help.out.split('\n').every((line) => line.length <= 110));

    const worker = await runBin(['worker', '--help']);
    assert.equal(worker.code, 0);
    assert.match(
      worker.out,
      /--log-level +The lowest level that is logged[^[]*\[LOG_LEVEL\][^[]*\[string\] \[default: info\]/,
    );
    assert.match(worker.out, /Examples:\n {2}self-taught-evaluator worker /);

    const empty = await runBin([]);
    assert.deepEqual([empty.code, empty.out], [2, '']);
    assert.match(empty.err, /^self-taught-evaluator <command>\n/);
  });

  const mistakes: [what: string, args: string[], code: number, message: RegExp][] = [
    [
      'an unknown command',
      ['folow'],
      2,
      /^There is no command "folow"\. Did you mean follow\? ".* --help" lists/,
    ],
    [
      'an unknown command that resembles no other',
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
    ['a missing argument', ['start'], 2, /^An argument is missing: the usage is "start <configuration>"\. /],
    ['an option without its value', ['worker', '--roles'], 2, /^Not enough arguments following: roles\. /],
    [
      'an option that is given twice',
      ['worker', '--roles', 'gpu', '--roles', 'x'],
      2,
      /^--roles is given 2 times/,
    ],
    ['a word instead of a number', ['set-iterations', 'run', 'many'], 2, /^iterations must be a number\.$/m],
    [
      'a word instead of the number of an option',
      ['judge', 'pairs.jsonl', '--model', 'run:a/best', '--votes', 'many'],
      2,
      /^--votes must be a number\.$/m,
    ],
    ['an unknown role', ['worker', '--roles', 'gpu,cpu'], 2, /^--roles: unknown role "cpu"; known: workflow/],
    [
      'an invalid port',
      ['temporal', '--port', '99999'],
      2,
      /^--port or SELF_\w+_PORT is "99999", but must be/,
    ],
    ['an invalid seed', ['demo', '--seed', 'x'], 2, /^--seed is "x", but must be a whole number\.$/m],
    [
      'a missing file',
      ['start', 'none.json'],
      2,
      /^Cannot read the configuration \/.*\/none\.json: there is no such file\.$/m,
    ],
    ['no server', ['follow', 'run'], 4, /^No Temporal server answers at 127\.0\.0\.1:\d+ /],
    ['no server for a start', ['start', 'temporal/inputs/embedded.json'], 4, /^No Temporal server answers/],
    ['no server for a worker', ['worker'], 4, /No Temporal server answers at 127\.0\.0\.1:\d+ /],
  ];
  for (const [what, args, code, message] of mistakes) {
    it(`ends with exit code ${code} for ${what}, and says what to do without a stack`, async () => {
      const store = { SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'unused') };
      const { code: ended, out, err } = await runBin(args, { ...nowhere, ...store });
      assert.deepEqual([ended, out], [code, ''], err);
      assert.match(err, message);
      assert.doesNotMatch(err, /\n {4}at /);
    });
  }

  it('names every invalid field of a configuration of a run or an evaluation before it connects to a server', async () => {
    const [run, evaluation] = await Promise.all([
      runBin(['start', write('run.json', { runName: 'a/b', iterations: 0, models: {} })], nowhere),
      runBin(
        ['start', write('evaluation.json', { runName: 'x', model: {}, serving: { kind: 'y' } })],
        nowhere,
      ),
    ]);
    assert.equal(run.code, 2);
    assert.match(run.err, /^\/.*\/run\.json: The configuration has \d+ problems:\n/);
    for (const field of ['runName', 'iterations', 'models.seed', 'serving', 'instructions', 'evaluation'])
      assert.match(run.err, new RegExp(`^  ${field}: `, 'm'));
    assert.equal(evaluation.code, 2);
    for (const field of ['model.checkpoint', 'serving.kind', 'evaluation'])
      assert.match(evaluation.err, new RegExp(`^  ${field}: `, 'm'));

    const broken = await runBin(['start', write('broken.json', '{"runName": ')], nowhere);
    assert.equal(broken.code, 2);
    assert.match(broken.err, /broken\.json: it is not valid JSON \(/);
    const list = await runBin(['start', write('list.json', [])], nowhere);
    assert.match(list.err, /list\.json: it must be a JSON object/);
    const demo = await runBin([
      'demo',
      '--config',
      join(packageRoot, 'temporal/inputs/evaluate-embedded.json'),
    ]);
    assert.equal(demo.code, 2);
    assert.match(
      demo.err,
      /evaluate-embedded\.json configures an evaluation without training, but the demo needs the configuration of a run/,
    );
  });

  it('prints an error as one line of JSON to standard error with --json', async () => {
    const lines = await Promise.all(
      [
        ['start', 'none.json'],
        ['follow', 'run'],
        ['follow', '--nope'],
      ].map((args) => runBin([...args, '--json'], nowhere)),
    );
    const errors = lines.map(({ out, err }) => {
      assert.equal(out, '');
      return JSON.parse(err) as { error: string; exitReason: string };
    });
    assert.deepEqual(
      errors.map(({ exitReason }) => exitReason),
      ['usage', 'unreachable', 'usage'],
    );
    assert.match(errors[0]?.error ?? '', /none\.json: there is no such file\.$/);
  });

  it('ends without an error when the reader of its output closes the pipe', async () => {
    const file = pathToFileURL(join(packageRoot, 'src/cli/core/broken-pipe.ts')).href;
    const work = `import { handleBrokenPipe } from '${file}'; handleBrokenPipe(); setInterval(() => console.log('a line'), 10);`;
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

  it('completes commands, options, and names of runs in the store', async () => {
    for (const name of ['embedded', 'embedded-2', 'other', '.machines'])
      mkdirSync(join(folder, 'store', name), { recursive: true });
    const store = { SELF_TAUGHT_EVALUATOR_STORE: join(folder, 'store'), ...nowhere };
    const completed = async (...words: string[]) =>
      (await runBin(['--get-yargs-completions', 'self-taught-evaluator', ...words], store)).out
        .trim()
        .split('\n');
    assert((await completed('fol')).includes('follow'));
    assert((await completed('worker', '--')).includes('--task-queue'));
    assert.deepEqual(await completed('follow', 'emb'), ['embedded', 'embedded-2']);
    assert.equal((await completed('start', 'emb')).includes('embedded'), false);
    const script = await runBin(['completion'], { SHELL: '/bin/bash' });
    assert.deepEqual([script.code, script.err], [0, '']);
    assert.match(script.out, /complete .*self-taught-evaluator/);
  });
});

describe('an option with an environment variable', () => {
  const options = {
    store: { describe: '', type: 'string', default: 'runs', variable: 'STORE' },
    level: { describe: '', type: 'string', variable: 'LEVEL' },
  } as const;

  it('takes its value from the command line, else from the variable unless it is empty, else the default', () => {
    assert.deepEqual(withEnvironmentVariables(options, { store: 'given' }, { STORE: 'said', LEVEL: 'x' }), {
      store: 'given',
      level: 'x',
    });
    assert.deepEqual(withEnvironmentVariables(options, {}, { STORE: 'said' }), {
      store: 'said',
      level: undefined,
    });
    assert.deepEqual(withEnvironmentVariables(options, {}, { STORE: '', LEVEL: '' }), {
      store: 'runs',
      level: undefined,
    });
  });
});
