import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { nextRun } from '../../../src/cli/demo/next-run.ts';
import { runUris } from '../../../src/runs/run-layout.ts';
import { openStore } from '../../../src/store/artifact-store.ts';

describe('the run of the demo', () => {
  it('is the first that has no result, and with --new the first that does not exist, in any kind of store', async () => {
    const store = openStore(`memory:${randomUUID()}`);
    const next = (startNew: boolean) => nextRun(store, 'demo', { startNew });
    assert.deepEqual(await next(false), { runName: 'demo', resumed: false });
    await store.writeText(runUris.state('demo'), '{}');
    assert.deepEqual(await next(false), { runName: 'demo', resumed: true });
    assert.deepEqual(await next(true), { runName: 'demo-2', resumed: false });
    await store.writeText(runUris.result('demo'), '{}');
    assert.deepEqual(await next(false), { runName: 'demo-2', resumed: false });
  });
});
