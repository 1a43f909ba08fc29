import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { homeFolder, userName } from '../../src/platform/user.ts';

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
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      ...{ uid: 54321, gid: 54321, cwd: '/', encoding: 'utf8' },
      env: { PATH: process.env['PATH'], TMPDIR: tmpdir() },
    });
    assert.equal(stdout.trim(), `54321 ${join(tmpdir(), 'self-taught-evaluator-54321', 'home')}`, stderr);
  });
});
