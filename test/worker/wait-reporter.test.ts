import assert from 'node:assert/strict';
import type { ActivityWait } from '../../src/api/signals.ts';
import { WaitReporter } from '../../src/worker/wait-reporter.ts';

const wait = (reason: string, activity = 'judgePairs'): ActivityWait => ({
  workflowId: 'run',
  activity,
  reason,
  since: '2026-01-01T00:00:00Z',
});
const MINUTE = 60_000;

/** A run that keeps the waits of its last report. */
function aRun() {
  const reports: (readonly ActivityWait[])[] = [];
  return {
    reports,
    known: () => Promise.resolve(reports.at(-1) ?? []),
    send: ({ waits }: { readonly waits: readonly ActivityWait[] }) => {
      reports.push(waits);
      return Promise.resolve();
    },
  };
}

describe('the reports of what a run waits for', () => {
  it('are sent when a wait begins and when it ends, however often it is seen', async () => {
    const run = aRun();
    const reporter = new WaitReporter(run);
    await reporter.report([], 0);
    for (let minute = 1; minute < 600; minute += 1) await reporter.report([wait('full')], minute * MINUTE);
    await reporter.report([], 600 * MINUTE);
    assert.deepEqual(run.reports, [[wait('full')], []]);
  });

  it('are sent by one of several workers', async () => {
    const run = aRun();
    const reporters = [new WaitReporter(run), new WaitReporter(run)];
    for (const waits of [[], [wait('full')], []])
      for (const reporter of reporters) await reporter.report(waits, MINUTE);
    assert.equal(run.reports.length, 2);
  });

  it('are sent by a new worker if the run still shows a wait that is over', async () => {
    const run = aRun();
    await new WaitReporter(run).report([wait('full')], 0);
    await new WaitReporter(run).report([], 0);
    assert.deepEqual(run.reports.at(-1), []);
  });

  it('are few if only the text of a wait changes all the time', async () => {
    const run = aRun();
    const reporter = new WaitReporter(run);
    for (let minute = 0; minute < 24 * 60; minute += 1)
      await reporter.report([wait(`pid ${minute}`)], minute * MINUTE);
    assert(run.reports.length > 10 && run.reports.length < 35, String(run.reports.length));
  });

  it('are few if a wait begins and ends all the time', async () => {
    const run = aRun();
    const reporter = new WaitReporter(run);
    for (let minute = 0; minute < 24 * 60; minute += 1)
      await reporter.report(minute % 2 === 0 ? [wait('full')] : [], minute * MINUTE);
    assert(run.reports.length > 40 && run.reports.length < 80, String(run.reports.length));
  });
});
