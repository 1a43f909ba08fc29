import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseNode } from '../../../tools/setup/choose-node.mjs';

describe('chooseNode', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'choose-node-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('chooses the running Node if it runs TypeScript', () => {
    for (const version of ['22.18.0', '22.20.1', '24.0.0', '26.1.0']) {
      assert.equal(chooseNode(version, '/usr/bin/node', root), '/usr/bin/node');
    }
  });

  it('chooses the installed Node if the running one is too old', () => {
    const installed = join(root, 'node_modules', '.bin', 'node');
    mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true });
    writeFileSync(installed, '');
    for (const version of ['18.20.0', '20.20.2', '22.17.9']) {
      assert.equal(chooseNode(version, '/usr/bin/node', root), installed);
    }
  });

  it('says which Node to install if neither is usable', () => {
    assert.throws(
      () => chooseNode('20.1.0', '/usr/bin/node', root),
      /22\.18 or newer is needed, but this is 20\.1\.0/,
    );
  });
});
