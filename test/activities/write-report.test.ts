import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { reportUrl } from '../../src/runs/run-layout.ts';
import { writeReport } from '../../src/activities/write-report.ts';
import { readRunState } from '../../src/runs/run-state.ts';
import { asActivity, startTestRun } from '../support/test-run.ts';

describe('writing the report', () => {
  it('writes it to its address, with the versions of the programs that made the run', async () => {
    const testRun = await startTestRun();
    const { deps, run } = testRun;
    try {
      const { report } = await asActivity(() =>
        writeReport(deps, {
          run,
          status: 'running',
          startedAt: '2026-03-04T10:00:00Z',
          best: 0,
          iterations: [],
          warnings: [],
        }),
      );
      assert.equal(report, 'test/report.html');
      const file = fileURLToPath(reportUrl(deps.store, 'test'));
      assert.equal(file, deps.store.locate(report));
      assert(existsSync(file));
      const page = await readFile(file, 'utf8');
      assert.match(page, /<dt>@temporalio\/worker<\/dt>\s*<dd>\d+\.\d+\.\d+<\/dd>/);
      assert.match(page, /<dt>self-taught-evaluator<\/dt>\s*<dd>\d+\.\d+\.\d+<\/dd>/);
    } finally {
      await testRun.close();
    }
  });

  it('records in the store that a run failed even if its report can not be written', async () => {
    const testRun = await startTestRun();
    const { deps, run } = testRun;
    try {
      const scores = { uri: 'test/gone', sha256: 'none', records: 1, bytes: 1 };
      const writing = asActivity(() =>
        writeReport(deps, {
          run,
          status: 'failed',
          failure: 'the disk was full',
          startedAt: '2026-03-04T10:00:00Z',
          best: 0,
          iterations: [
            {
              iteration: 0,
              model: { checkpoint: 'm', sha256: 'hash of m' },
              evaluations: [
                {
                  ...{ benchmark: 'test', purpose: 'test', pairs: 1, scores },
                  ...{ accuracy: 0.5, positionConsistentAccuracy: 0.5, shareOfA: 0.5, unparsable: 0 },
                },
              ],
              counts: {},
              seconds: {},
            },
          ],
          warnings: [],
        }),
      );
      await assert.rejects(writing, /test\/gone/);
      const state = await readRunState(deps.store, 'test');
      assert.deepEqual([state?.status, state?.failure], ['failed', 'the disk was full']);
    } finally {
      await testRun.close();
    }
  });
});
