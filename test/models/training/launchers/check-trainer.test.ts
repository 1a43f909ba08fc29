import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { moduleFile } from '../../../../src/platform/package-root.ts';
import { checkpointProblems, checkTrainer } from '../../../../src/models/training/launchers/check-trainer.ts';

/** The real check is tried in follow-training.test.ts; here a program stands for Python, to count how often it is asked. */
describe('the check of a trainer', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'check-trainer-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is trusted for ten minutes if it passed and the base checkpoint is the same; a failed check is never trusted', async () => {
    const python = join(folder, 'python');
    const base = join(folder, 'base');
    const calls = join(folder, 'calls');
    const answer = join(folder, 'answer');
    await mkdir(base);
    await writeFile(join(base, 'config.json'), '{}');
    await writeFile(python, `#!/bin/sh\necho >> ${calls}\ncat ${answer}\n`);
    await chmod(python, 0o755);
    const check = () =>
      checkTrainer(
        {
          ...{ python, packageRoot: folder },
          environment: { PATH: process.env['PATH'], SELF_TAUGHT_EVALUATOR_CACHE: join(folder, 'cache') },
        },
        { baseCheckpoint: base, trustRemoteCode: false, reportTo: [] },
      );
    const asked = async () => (await readFile(calls, 'utf8')).length;

    await writeFile(answer, '{"ok": false, "device": null, "problems": ["no torch"]}');
    for (const times of [1, 2]) {
      assert.deepEqual(await check(), { device: undefined, problems: ['no torch'] });
      assert.equal(await asked(), times);
    }
    await writeFile(answer, '{"ok": true, "device": "a GPU", "problems": []}');
    for (const times of [3, 3]) {
      assert.deepEqual(await check(), { device: 'a GPU', problems: [] });
      assert.equal(await asked(), times);
    }
    await appendFile(join(base, 'config.json'), '\n');
    await check();
    assert.equal(await asked(), 4);
    const notes = join(folder, 'cache', 'trainer-checks');
    const elevenMinutesAgo = Date.now() / 1000 - 660;
    for (const name of await readdir(notes))
      await utimes(join(notes, name), elevenMinutesAgo, elevenMinutesAgo);
    await check();
    assert.equal(await asked(), 5);
    const results = (await readdir(notes)).filter((name) => name.endsWith('.txt'));
    assert.equal(results.length, 1, 'expired results are removed');
  });

  it('is made once for all that ask for it at the same time, and by the next one if its process is killed', async () => {
    const python = join(folder, 'slow-python');
    const calls = join(folder, 'slow-calls');
    const go = join(folder, 'go');
    // That of the killed process outlives it, but not its own file.
    await writeFile(
      python,
      `#!/bin/sh\necho >> ${calls}\nuntil [ -e ${go} ] || [ ! -e ${python} ]; do sleep 0.05; done\n` +
        `echo '{"ok": true, "device": "a GPU", "problems": []}'\n`,
    );
    await chmod(python, 0o755);
    const environment = {
      PATH: process.env['PATH'],
      SELF_TAUGHT_EVALUATOR_CACHE: join(folder, 'shared cache'),
    };
    const machine = { python, packageRoot: folder, environment };
    const wanted = { baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [] };
    const killed = spawn(process.execPath, [
      ...['--input-type=module', '-e'],
      `const { checkTrainer } = await import(${JSON.stringify(moduleFile('models/training/launchers/check-trainer'))});` +
        `await checkTrainer(${JSON.stringify(machine)}, ${JSON.stringify(wanted)});`,
    ]);
    const asked = async () => (await readFile(calls, 'utf8').catch(() => '')).length;
    while ((await asked()) === 0) await setTimeout(20);
    const checks = Promise.all([1, 2, 3].map(() => checkTrainer(machine, wanted)));
    killed.kill('SIGKILL');
    while ((await asked()) === 1) await setTimeout(20);
    await writeFile(go, '');
    assert.deepEqual(
      (await checks).map(({ device }) => device),
      ['a GPU', 'a GPU', 'a GPU'],
    );
    assert.equal(await asked(), 2);
  });

  it("is repeated if its result can't be cached", async () => {
    const python = join(folder, 'other-python');
    const calls = join(folder, 'other-calls');
    await writeFile(
      python,
      `#!/bin/sh\necho >> ${calls}\necho '{"ok": true, "device": "a GPU", "problems": []}'\n`,
    );
    await chmod(python, 0o755);
    await writeFile(calls, '');
    for (let times = 1; times <= 2; times++) {
      const environment = {
        PATH: process.env['PATH'],
        SELF_TAUGHT_EVALUATOR_CACHE: join(calls, 'a file is in the way'),
      };
      const { device } = await checkTrainer(
        { python, packageRoot: folder, environment },
        { baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [] },
      );
      assert.equal(device, 'a GPU');
      assert.equal((await readFile(calls, 'utf8')).length, times);
    }
  });

  it('finds the problems of a checkpoint for a trainer elsewhere, if this machine has the packages', async () => {
    const python = join(folder, 'python-elsewhere');
    const [answer, input] = [join(folder, 'answer-elsewhere'), join(folder, 'input')];
    await writeFile(python, `#!/bin/sh\ncat > ${input}\ncat ${answer}\n`);
    await chmod(python, 0o755);
    const machine = { python, packageRoot: folder, environment: { PATH: process.env['PATH'] } };
    const run = { conversations: [], adapter: { kind: 'none' } };
    const problems = (baseCheckpoint: string | undefined) =>
      checkpointProblems(machine, { baseCheckpoint, trustRemoteCode: false, reportTo: ['wandb'], run });
    const report = { ok: false, device: null, problems: ['no chat template'] };
    await writeFile(answer, JSON.stringify({ ...report, versions: { torch: '2' } }));
    assert.deepEqual(await problems('model'), ['no chat template']);
    assert.deepEqual(JSON.parse(await readFile(input, 'utf8')), run);
    assert.deepEqual(await problems(undefined), []);
    await writeFile(answer, JSON.stringify({ ...report, versions: { python: '3' } }));
    assert.deepEqual(await problems('model'), [], 'without the packages');
    await writeFile(answer, 'Segmentation fault');
    assert.deepEqual(await problems('model'), []);
  });
});
