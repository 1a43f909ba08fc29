/** Watching one server: started again when it is gone, replaced when it hangs, given up when that doesn't last. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSameProcessAlive } from '../processes/identity.ts';
import { askModel, isHealthy } from './server-process.ts';
import { isSameProcess, type ServerEntry, type ServerRegistry } from './registry.ts';

export interface WatchSettings {
  /** Between two looks at a server. */
  intervalSeconds: number;
  /** How long the health path may take. */
  healthTimeoutSeconds: number;
  /** So many unanswered looks in a row make a server suspect; then one request decides. */
  unansweredLooks: number;
  /** How long that one request may take: a server at work may be slow to answer, a hung one never does. */
  requestTimeoutSeconds: number;
  /** A server that was ready for less than this and failed counts as a quick failure. */
  quickSeconds: number;
  /** After so many quick failures in a row nobody starts it again. */
  quickFailures: number;
  /** Waits before the second start in a row, doubling up to the maximum; the first start is at once. */
  backoff: { initialSeconds: number; maximumSeconds: number };
}

export const defaultWatchSettings: WatchSettings = {
  intervalSeconds: 1,
  healthTimeoutSeconds: 10,
  unansweredLooks: 3,
  requestTimeoutSeconds: 60,
  quickSeconds: 20,
  quickFailures: 6,
  backoff: { initialSeconds: 1, maximumSeconds: 60 },
};

export type Log = (level: 'info' | 'warn' | 'error', message: string) => void;

export interface WatchOptions {
  key: string;
  registry: ServerRegistry;
  settings: WatchSettings;
  log: Log;
  /** Ends what is left of the entry's process, starts another on the same port, waits until it serves. */
  restart(entry: ServerEntry, fault: string): Promise<void>;
  markReady(entry: ServerEntry, model: string): Promise<boolean>;
  /** Ends the entry's process. */
  kill(entry: ServerEntry): Promise<void>;
}

/**
 * Watches until the signal aborts, the server is no longer registered, or it is given up. The registry is the truth:
 * several worker processes may watch one server, and whichever acts first leaves the others nothing to do.
 */
export async function watchServer(options: WatchOptions, signal: AbortSignal): Promise<void> {
  const { key, registry, settings, log } = options;
  let unanswered = 0;
  let quickFailures = 0;

  while (!signal.aborted) {
    // Not a reason for the worker to stay up.
    await sleep(settings.intervalSeconds * 1000, undefined, { ref: false, signal }).catch(() => undefined);
    const entry = registry.read(key);
    if (signal.aborted || entry === undefined || entry.gaveUp !== undefined) return;
    try {
      await lookAt(entry);
    } catch (error) {
      // Also a full disk, for example, is no reason to look away for ever.
      if (!signal.aborted) log('warn', `Model server ${key}: ${String(error)}`);
    }
  }

  async function lookAt(entry: ServerEntry): Promise<void> {
    const fault = await faultOf(entry);
    if (fault === undefined) return;
    // Looking takes time: nothing is done about a process that another has replaced or stopped meanwhile.
    const current = registry.read(key);
    if (signal.aborted || current === undefined || !isSameProcess(current, entry)) return;

    unanswered = 0;
    const readyFor = entry.readyAt === undefined ? 0 : (Date.now() - Date.parse(entry.readyAt)) / 1000;
    quickFailures = readyFor < settings.quickSeconds ? quickFailures + 1 : 0;
    if (quickFailures > settings.quickFailures) return giveUp(entry, fault);
    await sleep(backoffSeconds(quickFailures) * 1000, undefined, { ref: false, signal });
    await options.restart(entry, fault);
  }

  async function faultOf(entry: ServerEntry): Promise<string | undefined> {
    if (!(await isSameProcessAlive(entry.process))) return 'its process is gone';
    if (entry.readyAt === undefined) {
      // Whoever started it waits for it, but may have died meanwhile.
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
      unanswered = 0;
      return undefined;
    }
    if (++unanswered < settings.unansweredLooks) return undefined;
    if (!(await answers(entry))) return 'it hangs';
    unanswered = 0;
    return undefined;
  }

  async function answers(entry: ServerEntry): Promise<boolean> {
    return (await askModel(entry, entry.model, settings.requestTimeoutSeconds)) === undefined;
  }

  function backoffSeconds(failures: number): number {
    const { initialSeconds, maximumSeconds } = settings.backoff;
    return failures <= 1 ? 0 : Math.min(maximumSeconds, initialSeconds * 2 ** (failures - 2));
  }

  async function giveUp(entry: ServerEntry, fault: string): Promise<void> {
    const gaveUp = `failed ${quickFailures} times in a row, the last time because ${fault}`;
    await registry.locked(key, async () => {
      const current = registry.read(key);
      if (current === undefined || !isSameProcess(current, entry)) return;
      await options.kill(current);
      registry.write({ ...current, gaveUp });
    });
    log(
      'error',
      `Model server ${key} (${entry.model}) is given up: it ${gaveUp}. Log: ${registry.logFile(key)}`,
    );
  }
}
