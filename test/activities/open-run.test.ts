import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openRun } from '../../src/activities/open-run.ts';
import { ArtifactStore } from '../../src/artifacts/store.ts';
import { startTestRun } from './test-run.ts';

describe('openRun', () => {
  it('reads what the run was started with', async () => {
    const run = await startTestRun({ seed: 7 });
    assert.equal((await openRun(run.deps.store, run.run)).configuration.seed, 7);
    await run.close();
  });

  it('says that this worker has another store, so that a worker which has the right one may take the work', async () => {
    const run = await startTestRun();
    const other = new ArtifactStore(join(run.folder, 'another'));
    await assert.rejects(openRun(other, run.run), {
      name: 'AnotherStore',
      message: new RegExp(`${other.root}, does not hold the run test.*--task-queue`),
    });
    await run.close();
  });
});
