import { Runtime } from '@temporalio/worker';
import { SettingError } from '../setting-error.ts';
import { type Address, shownAddress } from './address.ts';
import { sdkLogger, type WorkerLog } from './log.ts';
import { metricsTelemetry } from './metrics.ts';

/**
 * The SDK's runtime: its log, that of its native core too, goes into ours, and its metrics to the address.
 * @throws SettingError that names the option where the address can't be bound
 */
export function installRuntime(log: WorkerLog, metricsAddress: Address | undefined): Runtime {
  try {
    return Runtime.install({
      shutdownSignals: [],
      logger: sdkLogger(log),
      telemetryOptions: {
        logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
        ...(metricsAddress === undefined ? {} : { metrics: metricsTelemetry(metricsAddress) }),
      },
    });
  } catch (error) {
    if (metricsAddress === undefined) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(
      `--metrics-address ${shownAddress(metricsAddress)} can't be bound (${reason}): give each worker of a machine an address of its own`,
    );
  }
}
