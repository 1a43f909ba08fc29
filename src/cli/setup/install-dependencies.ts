import { ensurePython } from './python-environment.ts';
import { SetupError } from '../../platform/setup-error.ts';
import { ensureTemporalCli } from './temporal-cli.ts';

/**
 * Installs the Temporal CLI and Python if they are missing, both at the same time, and returns their paths. Throws one
 * SetupError with everything that the user has to do.
 */
export async function installDependencies(): Promise<{ temporal: string; python: string }> {
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
