/**
 * Worker versioning (Temporal Worker Deployments): identifies the build of a worker process, so that an open run
 * stays on the build on which it began. It is off unless both deployment and build are set.
 */
import type { Client } from '@temporalio/client';
import { type WorkerDeploymentVersion, toCanonicalString } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { SettingError } from '../platform/setting-error.ts';
import { WORKER_OPTIONS } from './options.ts';

/** The variables that Temporal's controller for Kubernetes sets. */
const DEPLOYMENT_VARIABLE = WORKER_OPTIONS['deployment-name'].variable;
const BUILD_VARIABLE = WORKER_OPTIONS['build-id'].variable;

/**
 * Makes the version from these two parts; an empty part counts as missing.
 * @throws SettingError if only one of them is set
 */
export function parseWorkerVersion(
  deploymentName: string,
  buildId: string,
): WorkerDeploymentVersion | undefined {
  if (deploymentName !== '' && buildId !== '') return { deploymentName, buildId };
  if (deploymentName === '' && buildId === '') return undefined;
  const [present, missing] =
    buildId === ''
      ? [`--deployment-name or ${DEPLOYMENT_VARIABLE}`, `--build-id or ${BUILD_VARIABLE}`]
      : [`--build-id or ${BUILD_VARIABLE}`, `--deployment-name or ${DEPLOYMENT_VARIABLE}`];
  throw new SettingError(
    `${present} is given without ${missing}: set both for a versioned worker, or neither`,
  );
}

/** The worker's options for its version; none without a version. */
export function versioningOptions(
  version: WorkerDeploymentVersion | undefined,
): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (version === undefined) return {};
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
  };
}

/**
 * Returns a notice for the start of a versioned worker if no version of its deployment is current, so that no run
 * would begin, or if another version is current. Undefined if this version is the current one.
 */
export async function currentVersionNotice(
  temporal: Client,
  version: WorkerDeploymentVersion,
): Promise<string | undefined> {
  const { deploymentName, buildId } = version;
  let current: string | undefined;
  try {
    current = await currentBuildId(temporal, deploymentName);
  } catch (error) {
    return `can't tell whether a version of the deployment ${deploymentName} is current: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (current === buildId) return undefined;
  const command = `temporal worker deployment set-current-version --deployment-name ${deploymentName} --build-id ${buildId}`;
  return current === undefined
    ? `no version of the deployment ${deploymentName} is current, so no run begins on its workers: make this one current with "${command}"`
    : `${toCanonicalString(version)} is not current, ${current} is: this worker serves runs that are pinned to it, until "${command}"`;
}

/**
 * Returns the build on which new runs begin; undefined if the deployment has none, or the server doesn't know it yet.
 */
async function currentBuildId(temporal: Client, deploymentName: string): Promise<string | undefined> {
  const { namespace } = temporal.options;
  try {
    const { workerDeploymentInfo } = await temporal.workflowService.describeWorkerDeployment({
      namespace,
      deploymentName,
    });
    return workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId ?? undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  const NOT_FOUND = 5;
  return (error as { code?: unknown }).code === NOT_FOUND;
}
