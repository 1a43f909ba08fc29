import assert from 'node:assert/strict';
import { type Client, type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import { lifeOf, tellOf, type Told } from '../../src/runs/life.ts';
import type { Ending } from '../../src/runs/stored-run.ts';

const sign = 'a trainer is at work';

describe('whether a run is under way', () => {
  const cases: [string, Ending | undefined, Told, string | undefined, boolean, string][] = [
    ['Temporal says so, whatever the store says', 'finished', 'open', undefined, true, 'live'],
    ['somebody works on it, whatever Temporal says', 'finished', 'finished', sign, true, 'live'],
    ['the store says how it ended', 'finished', 'silent', undefined, false, 'over finished'],
    [
      'the store says so, and Temporal has forgotten it',
      'failed',
      'unknown',
      undefined,
      false,
      'over failed',
    ],
    ['Temporal alone says how it ended', undefined, 'cancelled', undefined, false, 'over cancelled'],
    [
      'Temporal says that it finished, and there is no result',
      undefined,
      'finished',
      undefined,
      false,
      'unclear',
    ],
    ['nobody says anything', undefined, 'silent', undefined, false, 'unclear'],
    [
      'another server is asked, and the store says nothing',
      undefined,
      'unknown',
      undefined,
      false,
      'unclear',
    ],
    [
      'nobody says anything, and the user says that it is over',
      undefined,
      'silent',
      undefined,
      true,
      'over cancelled',
    ],
  ];
  for (const [when, ended, told, seen, assumeEnded, expected] of cases)
    it(`${expected} where ${when}`, () => {
      const life = lifeOf({ ended }, told, seen, assumeEnded);
      assert.equal(life.kind === 'over' ? `over ${life.ended}` : life.kind, expected);
    });
});

describe('what Temporal tells of a run', () => {
  type Known = Record<string, { status: WorkflowExecutionStatusName; firstRunId: string; runId?: string }>;
  const told = (known: Known, workflowId = 'embedded') => {
    const describe = async (id: string) => {
      const found = known[id];
      if (found === undefined) throw new WorkflowNotFoundError('not found', id, undefined);
      const { status, firstRunId, runId = 'newest' } = found;
      return { status: { name: status }, runId, raw: { workflowExecutionInfo: { firstRunId } } };
    };
    const getHandle = (id: string) => ({ describe: () => describe(id) });
    const owner = { epoch: 1, holder: { workflowId, firstRunId: 'mine', meaning: {} } };
    return tellOf({ workflow: { getHandle } } as unknown as Client, { runName: 'embedded', owner });
  };

  it('is how the workflow ended that owns its folder', async () => {
    assert.equal(await told({ embedded: { status: 'TERMINATED', firstRunId: 'mine' } }), 'cancelled');
    assert.equal(await told({ embedded: { status: 'FAILED', firstRunId: '', runId: 'mine' } }), 'failed');
    assert.equal(await told({ named: { status: 'COMPLETED', firstRunId: 'mine' } }, 'named'), 'finished');
  });

  it('is nothing where another workflow of its name ended, as on a server that did not run it', async () => {
    assert.equal(await told({ embedded: { status: 'TERMINATED', firstRunId: 'other' } }), 'unknown');
    assert.equal(await told({ embedded: { status: 'FAILED', firstRunId: '' } }), 'unknown');
    assert.equal(await told({}), 'unknown');
  });

  it('is that it is open where any workflow of its name is: it may be about to claim the folder', async () => {
    assert.equal(await told({ embedded: { status: 'RUNNING', firstRunId: 'other' } }), 'open');
    assert.equal(await told({ named: { status: 'PAUSED', firstRunId: 'mine' } }, 'named'), 'open');
  });
});
