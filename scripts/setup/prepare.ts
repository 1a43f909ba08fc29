import { ensurePython } from './python-environment.ts';
import { SetupError } from './setup-error.ts';
import { ensureTemporalCli } from './temporal-cli.ts';

/**
 * Paths of the Temporal CLI and the Python, both installed where they are missing, side by side: one waits for the
 * processor, the other for network and disk. Throws one SetupError with all that has to be done.
 */
export async function prepare(): Promise<{ temporal: string; python: string }> {
  const results = await Promise.allSettled([ensureTemporalCli(), ensurePython()]);
  const [temporal, python] = results;
  if (temporal.status === 'fulfilled' && python.status === 'fulfilled') {
    return { temporal: temporal.value, python: python.value };
  }
  const errors = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  if (errors.every((error) => error instanceof SetupError)) {
    throw new SetupError(errors.map(({ message }) => message).join('\n\n'));
  }
  throw new AggregateError(errors, 'The set-up failed.');
}
