import { EXIT_CODES } from './exit-codes.ts';

/** `runs | head -1`: when who reads standard output has enough the command ends, unless it sees to that itself. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (process.stdout.listenerCount('error') === 1) process.exit(EXIT_CODES.done);
  });
}
