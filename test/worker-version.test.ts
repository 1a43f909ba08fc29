import assert from 'node:assert/strict';
import { versioningOptions, workerVersionFrom } from '../src/worker-version.ts';

const unset = { deploymentName: undefined, buildId: undefined };

describe('the version of a worker', () => {
  it('is off unless deployment and build are named, and then pins runs', () => {
    assert.equal(workerVersionFrom(unset, {}), undefined);
    assert.deepEqual(versioningOptions(undefined), {});
    const version = { deploymentName: 'judge', buildId: '2' };
    assert.deepEqual(versioningOptions(version), {
      workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
    });
  });

  it('comes from the options before the environment', () => {
    const environment = { TEMPORAL_DEPLOYMENT_NAME: 'judge', TEMPORAL_WORKER_BUILD_ID: '1' };
    assert.deepEqual(workerVersionFrom(unset, environment), { deploymentName: 'judge', buildId: '1' });
    assert.deepEqual(workerVersionFrom({ ...unset, buildId: '2' }, environment), {
      deploymentName: 'judge',
      buildId: '2',
    });
  });

  it('is refused by half, with what is missing', () => {
    assert.throws(
      () => workerVersionFrom(unset, { TEMPORAL_DEPLOYMENT_NAME: 'judge' }),
      /TEMPORAL_DEPLOYMENT_NAME is given without --build-id or TEMPORAL_WORKER_BUILD_ID/,
    );
    assert.throws(
      () => workerVersionFrom({ ...unset, buildId: '2' }, {}),
      /TEMPORAL_WORKER_BUILD_ID is given without --deployment-name or TEMPORAL_DEPLOYMENT_NAME/,
    );
  });
});
