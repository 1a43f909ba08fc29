import assert from 'node:assert/strict';
import {
  jobSchema,
  jobState,
  podListSchema,
} from '../../../../src/models/training/launchers/kubernetes-state.ts';
import type { Pod } from '../../../support/kubernetes-api.ts';

describe('the end of a Kubernetes Job', () => {
  for (const [what, status, failed, expected] of [
    [
      ...['out of memory', ended(137, 'OOMKilled'), 'BackoffLimitExceeded'],
      { reason: 'out-of-memory', exitCode: 137, message: /its pod x-0 on n1: OOMKilled, exit code 137/ },
    ],
    [
      'evicted from a node without memory',
      { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
      'PodFailurePolicy',
      { message: /on n1: Evicted: The node was low on resource: memory\./ },
    ],
    [
      ...['preempted, its pod deleted', undefined, 'PodFailurePolicy'],
      { reason: 'preempted', message: /PodFailurePolicy: Job has failed/ },
    ],
    [
      'drained, saved',
      {
        ...ended(75, 'Error'),
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }],
      },
      'PodFailurePolicy',
      { reason: 'preempted', exitCode: 75, message: /EvictionByEvictionAPI; Error, exit code 75/ },
    ],
    [
      'of a node that was removed',
      {
        phase: 'Failed',
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC' }],
      },
      'PodFailurePolicy',
      { reason: 'node-lost' },
    ],
    [
      ...['over the deadline', undefined, 'DeadlineExceeded'],
      { reason: 'time-limit', message: /DeadlineExceeded/ },
    ],
    [
      ...['that could not be started, which no other try changes'],
      ended(128, 'StartError', 'exec: "python9": executable file not found in $PATH: unknown'),
      'BackoffLimitExceeded',
      { exitCode: 78, message: /StartError, exit code 128: exec: "python9": executable file not found/ },
    ],
    [
      ...[
        'that failed',
        ended(65, 'Error', 'step 1\ntrainer: row 7 has no prompt\n'),
        'BackoffLimitExceeded',
      ],
      { exitCode: 65, message: /Error, exit code 65: trainer: row 7 has no prompt; Backoff/ },
    ],
    ['that is complete', ended(0, 'Completed'), undefined, { exitCode: 0 }],
  ] as [string, Pod['status'] | undefined, string | undefined, object & { message?: RegExp }][])
    it(`explains a Job ${what}`, async () => {
      const condition = { type: 'Failed', reason: failed, message: 'Job has failed' };
      const conditions = [{ ...(failed === undefined ? { type: 'Complete' } : condition), status: 'True' }];
      const job = { metadata: { name: 'x' }, spec: { completions: 1 }, status: { conditions } };
      const items =
        status === undefined ? [] : [{ metadata: { name: 'x-0' }, spec: { nodeName: 'n1' }, status }];
      const pods = podListSchema.parse({ items }).items;
      const state = await jobState(jobSchema.parse(job), pods, () => assert.fail('it has ended'));
      assert(state.phase === 'gone');
      const { message: pattern = /^the Kubernetes Job x ended/, ...rest } = expected;
      const { message = '', ...found } = state;
      assert.deepEqual(found, { phase: 'gone', ...rest });
      assert.match(message, pattern);
    });
});

/** A pod whose trainer has ended. */
function ended(exitCode: number, reason: string, message?: string): Pod['status'] {
  const terminated = { exitCode, reason, message, finishedAt: '2026-01-01T00:00:00Z' };
  return {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    containerStatuses: [{ name: 'trainer', state: { terminated } }],
  };
}
