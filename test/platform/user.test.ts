import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { homeFolder, userName, userTemporaryFolder } from '../../src/platform/user.ts';

describe('the user of this process', () => {
  it('has the name and the home that the system knows, or HOME', () => {
    assert.equal(userName(), userInfo().username);
    assert.equal(homeFolder({ HOME: '/home/somebody' }), '/home/somebody');
    for (const HOME of ['', 'relative']) assert.equal(homeFolder({ HOME }), homeFolder({}));
  });

  it('has its id for a name, and a temporary home, if the system does not know it', function () {
    if (process.getuid?.() !== 0) this.skip();
    const program = `import { homeFolder, userName } from ${JSON.stringify(join(import.meta.dirname, '../../src/platform/user.ts'))};
      console.log(userName(), homeFolder(process.env));`;
    const temporary = mkdtempSync(join(tmpdir(), 'user-'));
    chmodSync(temporary, 0o1777);
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      ...{ uid: 54321, gid: 54321, cwd: '/', encoding: 'utf8' },
      env: { PATH: process.env['PATH'], TMPDIR: temporary },
    });
    rmSync(temporary, { recursive: true });
    assert.equal(stdout.trim(), `54321 ${join(temporary, 'self-taught-evaluator-54321', 'home')}`, stderr);
  });

  describe('has a folder for temporary files', () => {
    const before = process.env['TMPDIR'];
    let temporary: string;
    let folder: string;
    beforeEach(() => {
      temporary = mkdtempSync(join(tmpdir(), 'user-'));
      folder = join(temporary, `self-taught-evaluator-${userName()}`);
      process.env['TMPDIR'] = temporary;
    });
    afterEach(() => {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      rmSync(temporary, { recursive: true });
    });

    it('which nobody else can read', () => {
      assert.equal(userTemporaryFolder(), folder);
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      assert.equal(userTemporaryFolder(), folder);
    });

    const foreign: Record<string, () => void> = {
      'others may write to it': () => {
        mkdirSync(folder);
        chmodSync(folder, 0o777);
      },
      'it is a link to a folder of somebody': () => symlinkSync(temporary, folder),
      'another user made it': () => {
        mkdirSync(folder);
        chownSync(folder, 54321, 54321);
      },
    };
    for (const [name, make] of Object.entries(foreign))
      it(`which is refused if ${name}`, function () {
        if (name === 'another user made it' && process.getuid?.() !== 0) this.skip();
        make();
        assert.throws(userTemporaryFolder, { name: 'SettingError', message: /what is run and read there/ });
      });
  });
});
