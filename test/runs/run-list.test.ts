import assert from 'node:assert/strict';
import { runRow, currentExecution, type TemporalExecution } from '../../src/runs/run-list.ts';
import type { StoredEvaluatedRun } from '../../src/runs/stored-run.ts';
import type { RunProgress } from '../../src/client/index.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute));
const now = at(30).getTime();

function execution(changes: Partial<TemporalExecution> = {}): TemporalExecution {
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

function stored(changes: Partial<StoredEvaluatedRun> = {}): StoredEvaluatedRun {
  return {
    runName: 'a',
    kind: 'run',
    owner: { epoch: 1, holder: { workflowId: 'a', firstRunId: 'r1', fingerprint: {} } },
    resolved: undefined,
    state: undefined,
    result: undefined,
    endStatus: undefined,
    judges: [],
    best: 0,
    ...changes,
  };
}

const statusOf = (known: Parameters<typeof runRow>[1]) => {
  const { status, foundIn: where } = runRow('a', known, now);
  return [status, where];
};

describe('the row of a run', () => {
  it('shows the state in Temporal if Temporal knows the run', () => {
    assert.deepEqual(statusOf({ stored: stored({ endStatus: 'completed' }), execution: execution() }), [
      'running',
      'both',
    ]);
    assert.deepEqual(statusOf({ execution: execution({ status: 'FAILED' }) }), ['failed', 'temporal']);
    assert.deepEqual(statusOf({ execution: execution({ status: 'TERMINATED' }) }), ['cancelled', 'temporal']);
    const paused = { status: 'paused', completedIterations: [], stages: [], best: 0 };
    assert.deepEqual(statusOf({ execution: execution(), progress: paused as unknown as RunProgress }), [
      'paused',
      'temporal',
    ]);
  });

  it('shows the state in the store if Temporal does not know the run, or that its end is unknown', () => {
    assert.deepEqual(statusOf({ stored: stored({ endStatus: 'cancelled' }) }), ['cancelled', 'store']);
    assert.deepEqual(statusOf({ stored: stored() }), ['interrupted', 'store']);
  });

  it('counts the time until now while the run is open, otherwise until its end', () => {
    assert.equal(runRow('a', { execution: execution() }, now).seconds, 1800);
    const closed = execution({ status: 'COMPLETED', closedAt: at(10) });
    assert.equal(runRow('a', { execution: closed }, now).seconds, 600);
  });

  it('has no number of iterations while the run is planned, which says 0', () => {
    const planned = {
      status: 'planning',
      requestedIterations: 0,
      completedIterations: [],
      stages: [],
      best: 0,
    };
    const progress = planned as unknown as RunProgress;
    assert.equal(runRow('a', { execution: execution(), progress }, now).iterations, undefined);
  });
});

describe('the execution that determines the status of a run', () => {
  const refused = execution({ runId: 'r2', firstRunId: 'r2', status: 'FAILED', startedAt: at(20) });

  it('is the one that owns the folder, even if a later start was rejected', () => {
    const finished = execution({ status: 'COMPLETED', closedAt: at(10) });
    assert.equal(currentExecution([refused, finished], stored()), finished);
  });

  it('is an open one if there is any, otherwise the newest', () => {
    const open = execution({ runId: 'r0', firstRunId: 'r0', workflowId: 'b' });
    assert.equal(currentExecution([refused, open], stored()), open);
    assert.equal(currentExecution([execution({ status: 'CANCELLED' }), refused], undefined), refused);
  });
});
