import { bundleWorkflowCode, type BundlerPlugin, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { temporalSdkLogger, type WorkerLog } from '../observability/log.ts';
import { moduleFile, packageRoot } from '../platform/package-root.ts';
import { SetupError } from '../platform/setup-error.ts';

/** The characters to which webpack gives a meaning in a path: `!` before a loader, `?` before options. */
const UNREADABLE = /[!?]/;

/**
 * Bundles the code of the workflows.
 * @throws SetupError if the bundler can't read the folder of this program
 */
export async function workflowBundle(
  log: WorkerLog,
  plugins: BundlerPlugin[],
): Promise<WorkflowBundleWithSourceMap> {
  requireReadableFolder(packageRoot);
  return bundleWorkflowCode({
    workflowsPath: moduleFile('workflows/index'),
    logger: temporalSdkLogger(log),
    plugins,
  });
}

/** @throws SetupError */
export function requireReadableFolder(folder: string): void {
  const found = UNREADABLE.exec(folder)?.[0];
  if (found !== undefined)
    throw new SetupError(
      `The bundler of Temporal's workflows can't read a folder with "${found}" in its path: move or rename ${folder}.`,
    );
}
