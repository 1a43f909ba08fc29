/**
 * Worker versioning (Temporal Worker Deployments): which build a worker process is, so that a run which is under way
 * stays on the build that it began on. Off unless the process is told its deployment and build.
 */
import type { Client } from '@temporalio/client';
import { type WorkerDeploymentVersion, toCanonicalString } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { SettingError } from './setting-error.ts';
import { WORKER_OPTIONS } from './worker-options.ts';

/** The variables that Temporal's controller for Kubernetes sets. */
const DEPLOYMENT_VARIABLE = WORKER_OPTIONS['deployment-name'].variable;
const BUILD_VARIABLE = WORKER_OPTIONS['build-id'].variable;

/**
 * The version of these two parts; empty is not given.
 * @throws SettingError where only one of them is given
 */
export function workerVersionFrom(
  deploymentName: string,
  buildId: string,
): WorkerDeploymentVersion | undefined {
  if (deploymentName !== '' && buildId !== '') return { deploymentName, buildId };
  if (deploymentName === '' && buildId === '') return undefined;
  const [given, missing] =
    buildId === ''
      ? [`--deployment-name or ${DEPLOYMENT_VARIABLE}`, `--build-id or ${BUILD_VARIABLE}`]
      : [`--build-id or ${BUILD_VARIABLE}`, `--deployment-name or ${DEPLOYMENT_VARIABLE}`];
  throw new SettingError(`${given} is given without ${missing}: set both for a versioned worker, or neither`);
}

/** The worker's options for its version; none without one. */
export function versioningOptions(
  version: WorkerDeploymentVersion | undefined,
): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (version === undefined) return {};
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
  };
}

/**
 * What to know about a version when its worker starts: that no version of its deployment is current, so that no run
 * would begin, or that another one is. Undefined where this version is the current one.
 */
export async function noticeOnCurrentVersion(
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

/** The build that new runs begin on; undefined where the deployment has none, or isn't known to the server yet. */
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
