import { EXIT_CODES } from './exit-codes.ts';

/** Ends the command when the reader of standard output is gone, as in `runs | head -1`, unless the command handles that itself. */
export function handleBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (process.stdout.listenerCount('error') === 1) process.exit(EXIT_CODES.done);
  });
}
