import { Runtime } from '@temporalio/worker';
import { SettingError } from '../platform/setting-error.ts';
import { type ListenAddress, formatListenAddress } from './listen-address.ts';
import { temporalSdkLogger, type WorkerLog } from './log.ts';
import { metricsTelemetry } from './worker-metrics.ts';

/**
 * Installs the SDK's runtime. Its log, including that of its native core, goes to the worker's log, and its metrics are
 * served at the address.
 * @throws SettingError that names the option, if the address can't be bound
 */
export function installRuntime(log: WorkerLog, metricsAddress: ListenAddress | undefined): Runtime {
  try {
    return Runtime.install({
      shutdownSignals: [],
      logger: temporalSdkLogger(log),
      telemetryOptions: {
        logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
        ...(metricsAddress === undefined ? {} : { metrics: metricsTelemetry(metricsAddress) }),
      },
    });
  } catch (error) {
    if (metricsAddress === undefined) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(
      `--metrics-address ${formatListenAddress(metricsAddress)} can't be bound (${reason}): give each worker of a machine an address of its own`,
    );
  }
}
