import { join } from 'node:path';
import {
  type BundlerPlugin,
  bundleWorkflowCode,
  DefaultLogger,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { packageRoot } from '../../src/platform/package-root.ts';

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** The workflows, bundled once for all workers of this process. */
export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundle ??= bundleWorkflows([]);
  return bundle;
}

export function bundleWorkflows(plugins: BundlerPlugin[]): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    workflowsPath: join(packageRoot, 'src', 'workflows', 'index.ts'),
    logger: new DefaultLogger('WARN'),
    plugins,
  });
}
