import assert from 'node:assert/strict';
import { runRow, tellingExecution, type TemporalRun } from '../../src/runs/run-list.ts';
import type { StoredRun } from '../../src/runs/stored-run.ts';
import type { RunProgress } from '../../src/client.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute));
const now = at(30).getTime();

function execution(changes: Partial<TemporalRun> = {}): TemporalRun {
  return {
    runName: 'a',
    workflowId: 'a',
    runId: 'r1',
    firstRunId: 'r1',
    type: 'selfTaughtEvaluator',
    status: 'RUNNING',
    startedAt: at(0),
    closedAt: undefined,
    ...changes,
  };
}

function stored(changes: Partial<StoredRun> = {}): StoredRun {
  return {
    runName: 'a',
    kind: 'run',
    owner: { epoch: 1, holder: { workflowId: 'a', firstRunId: 'r1', meaning: {} } },
    resolved: undefined,
    state: undefined,
    result: undefined,
    ended: undefined,
    judges: [],
    best: 0,
    ...changes,
  };
}

const statusOf = (known: Parameters<typeof runRow>[1]) => {
  const { status, where } = runRow('a', known, now);
  return [status, where];
};

describe('the row of a run', () => {
  it('tells what Temporal says where it knows the run', () => {
    assert.deepEqual(statusOf({ stored: stored({ ended: 'finished' }), execution: execution() }), [
      'running',
      'both',
    ]);
    assert.deepEqual(statusOf({ execution: execution({ status: 'FAILED' }) }), ['failed', 'temporal']);
    assert.deepEqual(statusOf({ execution: execution({ status: 'TERMINATED' }) }), ['cancelled', 'temporal']);
    const paused = { paused: { reason: 'lunch', since: '' }, completed: [], stages: [], best: 0 };
    assert.deepEqual(statusOf({ execution: execution(), progress: paused as unknown as RunProgress }), [
      'paused',
      'temporal',
    ]);
  });

  it('tells what the store says where Temporal does not know it, and that nobody says how it ended', () => {
    assert.deepEqual(statusOf({ stored: stored({ ended: 'cancelled' }) }), ['cancelled', 'store']);
    assert.deepEqual(statusOf({ stored: stored() }), ['unfinished', 'store']);
  });

  it('counts the time until now while it is under way, else until its end', () => {
    assert.equal(runRow('a', { execution: execution() }, now).seconds, 1800);
    const closed = execution({ status: 'COMPLETED', closedAt: at(10) });
    assert.equal(runRow('a', { execution: closed }, now).seconds, 600);
  });
});

describe('the execution that tells how a run stands', () => {
  const refused = execution({ runId: 'r2', firstRunId: 'r2', status: 'FAILED', startedAt: at(20) });

  it('is the one that owns the folder, though a later start was refused', () => {
    const finished = execution({ status: 'COMPLETED', closedAt: at(10) });
    assert.equal(tellingExecution([refused, finished], stored()), finished);
  });

  it('is one that is under way before any other, and else the newest', () => {
    const open = execution({ runId: 'r0', firstRunId: 'r0', workflowId: 'b' });
    assert.equal(tellingExecution([refused, open], stored()), open);
    assert.equal(tellingExecution([execution({ status: 'CANCELLED' }), refused], undefined), refused);
  });
});
