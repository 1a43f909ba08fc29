import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isNewEnough, TEMPORAL_CLI_VERSION } from '../../../src/cli/setup/temporal-cli.ts';

describe('the Temporal CLI', () => {
  it('is new enough depending on the version of its server', () => {
    assert(isNewEnough('temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)\n'));
    assert(isNewEnough('temporal version 0.0.0-DEV (Server 1.31.0, UI 2.45.0)'));
    assert(isNewEnough('temporal version 3.0.0 (Server 2.0.0, UI 3.0.0)'));
    assert(!isNewEnough('temporal version 1.3.0 (Server 1.27.1, UI 2.36.0)'));
    assert(!isNewEnough('another program of that name'));
  });

  it('is built from the same version that is downloaded', () => {
    const goMod = readFileSync('temporal/server/go.mod', 'utf8');
    assert.match(
      goMod,
      new RegExp(`github\\.com/temporalio/cli v${TEMPORAL_CLI_VERSION.replaceAll('.', '\\.')}\\s`),
    );
  });
});
