import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkTrainer } from '../../src/training/check-trainer.ts';

/** The real check is tried in follow-training.test.ts; here a program stands for Python, to count how often it is asked. */
describe('the check of a trainer', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'check-trainer-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('is believed where it was passed, until the base checkpoint is another one; a failed one never', async () => {
    const python = join(folder, 'python');
    const base = join(folder, 'base');
    const calls = join(folder, 'calls');
    const answer = join(folder, 'answer');
    await mkdir(base);
    await writeFile(join(base, 'config.json'), '{}');
    await writeFile(python, `#!/bin/sh\necho >> ${calls}\ncat ${answer}\n`);
    await chmod(python, 0o755);
    const check = () =>
      checkTrainer({
        command: ['{python}', '{job}'],
        python,
        packageRoot: folder,
        environment: { PATH: process.env['PATH'] },
        baseCheckpoint: base,
        trustRemoteCode: false,
        reportTo: [],
      });
    const asked = async () => (await readFile(calls, 'utf8')).length;

    await writeFile(answer, '{"ok": false, "device": null, "problems": ["no torch"]}');
    for (const times of [1, 2]) {
      await assert.rejects(check(), /no torch/);
      assert.equal(await asked(), times);
    }
    await writeFile(answer, '{"ok": true, "device": "a GPU", "problems": []}');
    for (const times of [3, 3]) {
      assert.equal(await check(), 'a GPU');
      assert.equal(await asked(), times);
    }
    await appendFile(join(base, 'config.json'), '\n');
    await check();
    assert.equal(await asked(), 4);
  });
});
