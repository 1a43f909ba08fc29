import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { ensureTemporalCli } from '../../src/cli/setup/temporal-cli.ts';

// Workers in this process log problems only, not their start and stop.
Runtime.install({ logger: new DefaultLogger('ERROR') });

/**
 * Starts a development server with its database in memory. It suggests to continue as new after so many events, 4,096 by
 * default.
 */
export async function startLocalServer(suggestContinueAsNewAt = 4096): Promise<TestWorkflowEnvironment> {
  const bound = `limit.historyCount.suggestContinueAsNew=${suggestContinueAsNewAt}`;
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: await ensureTemporalCli() },
      extraArgs: ['--output', 'none', '--log-level', 'never', '--dynamic-config-value', bound],
    },
  });
}
