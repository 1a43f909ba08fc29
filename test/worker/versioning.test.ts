import assert from 'node:assert/strict';
import { versioningOptions, parseWorkerVersion } from '../../src/worker/versioning.ts';

describe('the version of a worker', () => {
  it('is off unless deployment and build are named, and then pins runs', () => {
    assert.equal(parseWorkerVersion('', ''), undefined);
    assert.deepEqual(versioningOptions(undefined), {});
    const version = { deploymentName: 'judge', buildId: '2' };
    assert.deepEqual(parseWorkerVersion('judge', '2'), version);
    assert.deepEqual(versioningOptions(version), {
      workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
    });
  });

  it('is refused by half, with what is missing', () => {
    assert.throws(
      () => parseWorkerVersion('judge', ''),
      /TEMPORAL_DEPLOYMENT_NAME is given without --build-id or TEMPORAL_WORKER_BUILD_ID/,
    );
    assert.throws(
      () => parseWorkerVersion('', '2'),
      /TEMPORAL_WORKER_BUILD_ID is given without --deployment-name or TEMPORAL_DEPLOYMENT_NAME/,
    );
  });
});
