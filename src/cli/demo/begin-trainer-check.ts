import { checkMachine } from '../../activities/preflight.ts';
import { parseConfiguration } from '../../config/parse-configuration.ts';
import { inputRoots } from '../../platform/input-files.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { OWN_WORK } from '../../policy/policy-schema.ts';
import { markedConversations } from '../../runs/marked-conversations.ts';
import type { ArtifactStore } from '../../store/artifact-store.ts';

/**
 * Checks the trainer as the worker does before the run, while the server and the worker start: it takes as long as their start.
 * The worker waits for this check and trusts it; if it finds a problem, the worker finds it again and reports it.
 * @param signal ends the check, as the end of this process does
 */
export async function beginTrainerCheck(
  { python, store }: { readonly python: string; readonly store: ArtifactStore },
  configuration: unknown,
  signal: AbortSignal,
): Promise<void> {
  const environment = process.env;
  const files = { roots: inputRoots(environment) };
  const exiting = new AbortController();
  process.once('exit', () => exiting.abort());
  try {
    const { usable } = parseConfiguration(configuration);
    await checkMachine(
      { store, files, python, packageRoot, environment, policy: OWN_WORK },
      usable,
      await markedConversations(files, usable),
      AbortSignal.any([signal, exiting.signal]),
    );
  } catch {
    // It was ended, or the worker finds the same fault.
  }
}
