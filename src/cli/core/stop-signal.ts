import { EXIT_CODES } from './exit-codes.ts';

/** The signal of one Ctrl-C may arrive twice: from the terminal, and forwarded by npm. */
const ONE_CTRL_C_MS = 300;

/**
 * A signal that is aborted by Ctrl-C, SIGTERM or SIGHUP. The process no longer ends by these signals; a second Ctrl-C ends it at
 * once, without waiting for what is still stopping.
 */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  let interruptedAt: number | undefined;
  const stop = () => stopping.abort();
  process.on('SIGTERM', stop).on('SIGHUP', stop);
  process.on('SIGINT', () => {
    interruptedAt ??= performance.now();
    if (performance.now() - interruptedAt > ONE_CTRL_C_MS) process.exit(EXIT_CODES.interrupted);
    stop();
  });
  return stopping.signal;
}
