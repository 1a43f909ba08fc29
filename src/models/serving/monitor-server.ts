/** Monitors a server: restarts it when its process is gone or hangs, and stops doing so after repeated quick failures. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameProcessAlive } from '../../platform/process-identity.ts';
import { ServerFailed } from './errors.ts';
import { HangDetector, type HangDetectorOptions } from './hang-detector.ts';
import { boundLog } from './server-log.ts';
import { probeModel, isHealthy } from './server-process.ts';
import { isSameProcess, type ServerEntry, type ServerRegistry } from './server-registry.ts';

export interface MonitorSettings {
  /** Time between two checks. */
  checkIntervalSeconds: number;
  /** Timeout of the health path. */
  healthTimeoutSeconds: number;
  /** After so many failed health checks in a row, one request decides whether the server hangs. */
  maxFailedHealthChecks: number;
  /** Timeout of that request; it is long, because a busy server may be slow. */
  probeTimeoutSeconds: number;
  /** A server that fails after being ready for a shorter time counts as a quick failure. */
  minUptimeSeconds: number;
  /** After more quick failures in a row the server is not restarted. */
  maxQuickFailures: number;
  /** After so many starts in a row that never became ready, the server is not restarted. */
  maxFailedStarts: number;
  /** Delay before a restart; it doubles with each quick failure up to the maximum. The first restart has no delay. */
  backoff: { initialSeconds: number; maximumSeconds: number };
}

/** A server that has failed to start so often in a row needs a person: its command, or its machine, is wrong. */
export const MAX_FAILED_STARTS = 3;

export const DEFAULT_MONITOR_SETTINGS: MonitorSettings = {
  checkIntervalSeconds: 1,
  healthTimeoutSeconds: 10,
  maxFailedHealthChecks: 3,
  probeTimeoutSeconds: 60,
  minUptimeSeconds: 20,
  maxQuickFailures: 6,
  maxFailedStarts: MAX_FAILED_STARTS,
  backoff: { initialSeconds: 1, maximumSeconds: 60 },
};

export type ServerLog = (level: 'info' | 'warn' | 'error', message: string) => void;

export interface MonitorOptions extends HangDetectorOptions {
  key: string;
  registry: ServerRegistry;
  settings: MonitorSettings;
  log: ServerLog;
  /** Ends the rest of the process, starts another one on the same port, and waits until it serves. */
  restart(entry: ServerEntry, fault: string): Promise<void>;
  markReady(entry: ServerEntry, model: string): Promise<boolean>;
  /** Ends the entry's process. */
  kill(entry: ServerEntry): Promise<void>;
}

/**
 * Monitors the server until the signal aborts, the server is no longer registered, or it has failed too often. Several
 * worker processes may monitor one server: the registry tells each whether another one has acted already.
 */
export async function monitorServer(options: MonitorOptions, signal: AbortSignal): Promise<void> {
  const { key, registry, settings, log, environment } = options;
  let failedChecks = 0;
  let quickFailures = 0;
  let failedStarts = 0;
  let watched: { readonly entry: ServerEntry; readonly detector: HangDetector } | undefined;

  while (!signal.aborted) {
    // This timer does not keep the worker's process running.
    await sleep(settings.checkIntervalSeconds * 1000, undefined, { ref: false, signal }).catch(
      () => undefined,
    );
    const entry = registry.read(key);
    if (signal.aborted || entry === undefined || entry.failedReason !== undefined) return;
    try {
      await checkServer(entry);
    } catch (error) {
      // Monitoring goes on after any error, such as a full disk.
      if (!signal.aborted) log('warn', `Model server ${key}: ${String(error)}`);
    }
  }

  async function checkServer(entry: ServerEntry): Promise<void> {
    boundLog(registry.logFile(key));
    const fault = await faultOf(entry);
    if (fault === undefined) return;
    // Another worker may have replaced or stopped the process during the check.
    const current = registry.read(key);
    if (signal.aborted || current === undefined || !isSameProcess(current, entry)) return;

    failedChecks = 0;
    const readyFor = entry.readyAt === undefined ? 0 : (Date.now() - Date.parse(entry.readyAt)) / 1000;
    quickFailures = readyFor < settings.minUptimeSeconds ? quickFailures + 1 : 0;
    if (quickFailures > settings.maxQuickFailures) return markFailed(entry, quickFailures, fault);
    await sleep(backoffSeconds(quickFailures) * 1000, undefined, { ref: false, signal });
    try {
      await options.restart(entry, fault);
      failedStarts = 0;
    } catch (error) {
      const started = registry.read(key);
      if (!(error instanceof ServerFailed) || signal.aborted || started === undefined) throw error;
      failedStarts += 1;
      if (error.isFinal || failedStarts >= settings.maxFailedStarts)
        return markFailed(started, failedStarts, error.message);
      await noteProblem(started, error.message);
      throw error;
    }
  }

  /** The problem is shown until the next start is ready. */
  async function noteProblem(entry: ServerEntry, problem: string): Promise<void> {
    await registry.withLock(key, async () => {
      const current = registry.read(key);
      if (current !== undefined && isSameProcess(current, entry)) registry.write({ ...current, problem });
    });
  }

  async function faultOf(entry: ServerEntry): Promise<string | undefined> {
    if (!(await isSameProcessAlive(entry.process))) return 'its process is gone';
    if (entry.readyAt === undefined) {
      // The worker that started it waits for it, but may have ended in the meantime.
      if ((await isHealthy(entry, settings.healthTimeoutSeconds)) && (await answers(entry))) {
        await options.markReady(entry, entry.model);
        return undefined;
      }
      const started = (Date.now() - Date.parse(entry.startedAt)) / 1000;
      return started > entry.startTimeoutSeconds + settings.healthTimeoutSeconds
        ? 'it never became ready'
        : undefined;
    }
    if (await isHealthy(entry, settings.healthTimeoutSeconds)) {
      failedChecks = 0;
      if (watched === undefined || !isSameProcess(watched.entry, entry))
        watched = { entry, detector: new HangDetector(entry, options) };
      return watched.detector.look();
    }
    if (++failedChecks < settings.maxFailedHealthChecks) return undefined;
    if (!(await answers(entry))) return 'it hangs';
    failedChecks = 0;
    return undefined;
  }

  async function answers(entry: ServerEntry): Promise<boolean> {
    const timeoutSeconds = settings.probeTimeoutSeconds;
    return (await probeModel(entry, entry.model, { environment, timeoutSeconds })) === undefined;
  }

  function backoffSeconds(failures: number): number {
    const { initialSeconds, maximumSeconds } = settings.backoff;
    return failures <= 1 ? 0 : Math.min(maximumSeconds, initialSeconds * 2 ** (failures - 2));
  }

  async function markFailed(entry: ServerEntry, times: number, fault: string): Promise<void> {
    const failedReason = `failed ${times === 1 ? 'once' : `${times} times in a row`}, the last time because ${fault}`;
    await registry.withLock(key, async () => {
      const current = registry.read(key);
      if (current === undefined || !isSameProcess(current, entry)) return;
      await options.kill(current);
      registry.write({ ...current, failedReason });
    });
    log(
      'error',
      `Model server ${key} (${entry.model}) is not restarted any more: it ${failedReason}. Log: ${registry.logFile(key)}`,
    );
  }
}
