import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import { writeFileAtomically } from '../../src/platform/atomic-write.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import {
  livenessOf,
  queryTemporalState,
  recentActivity,
  type TemporalState,
} from '../../src/runs/liveness.ts';
import type { EndStatus } from '../../src/api/run-status.ts';

const activity = 'a trainer is running';

describe('whether a run is running', () => {
  const cases: [string, EndStatus | undefined, TemporalState, string | undefined, boolean, string][] = [
    ['Temporal says so, whatever the store says', 'completed', 'open', undefined, true, 'running'],
    ['there is recent activity, whatever Temporal says', 'completed', 'completed', activity, true, 'running'],
    ['the store says how it ended', 'completed', 'unreachable', undefined, false, 'ended: completed'],
    ['the store says so, and Temporal forgot it', 'failed', 'not-found', undefined, false, 'ended: failed'],
    ['only Temporal says how it ended', undefined, 'cancelled', undefined, false, 'ended: cancelled'],
    ['Temporal says completed, without a result', undefined, 'completed', undefined, false, 'unknown'],
    ['no server answers, and the store is silent', undefined, 'unreachable', undefined, false, 'unknown'],
    ['the server does not know it', undefined, 'not-found', undefined, false, 'unknown'],
    ['only the user says that it ended', undefined, 'unreachable', undefined, true, 'ended: cancelled'],
  ];
  for (const [when, endStatus, state, seen, assumeEnded, expected] of cases)
    it(`is "${expected}" if ${when}`, () => {
      const liveness = livenessOf({ endStatus }, state, seen, assumeEnded);
      const found = liveness.kind === 'ended' ? `ended: ${liveness.endStatus}` : liveness.kind;
      assert.equal(found, expected);
    });
});

describe('the state of a run in Temporal', () => {
  type Executions = Record<
    string,
    { status: WorkflowExecutionStatusName; firstRunId: string; runId?: string }
  >;
  const stateOf = (executions: Executions, workflowId = 'embedded') => {
    const describe = async (id: string) => {
      const found = executions[id];
      if (found === undefined) throw new WorkflowNotFoundError('not found', id, undefined);
      const { status, firstRunId, runId = 'newest' } = found;
      return { status: { name: status }, runId, raw: { workflowExecutionInfo: { firstRunId } } };
    };
    const getHandle = (id: string) => ({ describe: () => describe(id) });
    const owner = { epoch: 1, holder: { workflowId, firstRunId: 'mine', fingerprint: {} } };
    return queryTemporalState({ workflow: { getHandle } } as unknown as Client, {
      runName: 'embedded',
      owner,
    });
  };

  it('is the end of the workflow that owns its folder', async () => {
    assert.equal(await stateOf({ embedded: { status: 'TERMINATED', firstRunId: 'mine' } }), 'cancelled');
    assert.equal(await stateOf({ embedded: { status: 'FAILED', firstRunId: '', runId: 'mine' } }), 'failed');
    assert.equal(await stateOf({ named: { status: 'COMPLETED', firstRunId: 'mine' } }, 'named'), 'completed');
  });

  it('is unknown if a different workflow of its name ended, as on a server that did not run it', async () => {
    assert.equal(await stateOf({ embedded: { status: 'TERMINATED', firstRunId: 'other' } }), 'not-found');
    assert.equal(await stateOf({ embedded: { status: 'FAILED', firstRunId: '' } }), 'not-found');
    assert.equal(await stateOf({}), 'not-found');
  });

  it('is open if any workflow of its name is open, because it may be about to claim the folder', async () => {
    assert.equal(await stateOf({ embedded: { status: 'RUNNING', firstRunId: 'other' } }), 'open');
    assert.equal(await stateOf({ named: { status: 'PAUSED', firstRunId: 'mine' } }, 'named'), 'open');
  });
});

describe('recent activity in a run', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'activity-'));
    await mkdir(join(folder, 'run/iteration-1/training'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const holder = { host: 'another', bootId: 'b', pid: 1, startTime: '1', token: 't' };
  const hourAhead = () => new Date(Date.now() + 3_600_000).toISOString();
  const writeLease = () =>
    writeFileAtomically(
      join(folder, 'run/iteration-1/training/lease.json'),
      JSON.stringify({ ...holder, renewedAt: hourAhead() }),
    );

  it('is a trainer on another machine whose lease is renewed, not one whose clock is ahead', async () => {
    await writeLease();
    assert.equal(await recentActivity(openStore(folder), 'run'), undefined);
    let written = Promise.resolve();
    const renewal = setInterval(() => void (written = written.then(writeLease)), 1000);
    try {
      assert.match(
        (await recentActivity(openStore(folder), 'run')) ?? '',
        /a trainer runs in .*, on another$/,
      );
    } finally {
      clearInterval(renewal);
      // The folder is removed next.
      await written;
    }
  });
});
