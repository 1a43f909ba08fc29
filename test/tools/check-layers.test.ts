import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const layers = join(root, 'tools', 'check-layers.ts');

describe('the check of the layers', () => {
  let copy: string;

  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'layers-'));
    cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true });
  });

  afterEach(() => rmSync(copy, { recursive: true, force: true }));

  function check() {
    const { status, stderr } = spawnSync(process.execPath, [layers, copy], { encoding: 'utf8' });
    return { status, stderr };
  }

  it('finds no problem in the current source', () => {
    assert.deepEqual(check(), { status: 0, stderr: '' });
  });

  it('fails when a lower folder imports a higher one, even a type', () => {
    appendFileSync(
      join(copy, 'src/method/verdict.ts'),
      "\nexport type { Configuration } from '../config/schema.ts';\n",
    );
    const { status, stderr } = check();
    assert.equal(status, 1);
    assert.match(stderr, /method\/verdict\.ts imports config\/schema\.ts, but config is above method/);
  });

  it('fails when two files of a folder import types from each other', () => {
    writeFileSync(join(copy, 'src/method/a.ts'), "import type { B } from './b.ts';\nexport type A = B;\n");
    writeFileSync(join(copy, 'src/method/b.ts'), "import type { A } from './a.ts';\nexport type B = A;\n");
    const { status, stderr } = check();
    assert.equal(status, 1);
    assert.match(
      stderr,
      /files import each other in a circle: method\/a\.ts -> method\/b\.ts -> method\/a\.ts/,
    );
  });

  it('fails when a folder and its subfolder import each other', () => {
    mkdirSync(join(copy, 'src/method/planted'));
    writeFileSync(join(copy, 'src/method/planted/one.ts'), "export { seedOf } from '../seeds.ts';\n");
    writeFileSync(join(copy, 'src/method/two.ts'), "export * from './planted/one.ts';\n");
    const { status, stderr } = check();
    assert.equal(status, 1);
    assert.match(stderr, /folders import each other in a circle: method -> method\/planted -> method/);
  });

  it('fails for a folder that has no place among the layers', () => {
    cpSync(join(copy, 'src/method'), join(copy, 'src/unknown'), { recursive: true });
    const { status, stderr } = check();
    assert.equal(status, 1);
    assert.match(stderr, /unknown\/voting\.ts is in no layer/);
  });
});
