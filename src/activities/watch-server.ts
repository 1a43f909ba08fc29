import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/activity';
import { FAILURES } from '../api/temporal-names.ts';
import { createUnreachableNotesReader } from '../models/serving/unreachable-notes.ts';
import type { Dependencies } from './dependencies.ts';
import { withHeartbeats } from './heartbeats.ts';

const CHECK_INTERVAL_SECONDS = 2;

/**
 * Runs on the machine that serves a model while a stage uses it, so that the stage learns when the machine or the server is
 * gone. Says which workers can't reach the server.
 * @throws ApplicationFailure of the type ServerUnavailable if this machine no longer serves the model
 */
export function watchServer(deps: Dependencies, { baseUrl }: { readonly baseUrl: string }): Promise<void> {
  return withHeartbeats(async ({ signal, wait }) => {
    const readNotes = createUnreachableNotesReader(deps.store.objects, deps.machine);
    for (;;) {
      if (!deps.servers.serves(baseUrl))
        throw serverGone(`${deps.machine} no longer serves a model at ${baseUrl}`);
      const problem = deps.servers.problem(baseUrl);
      const reasons = [...(problem === undefined ? [] : [problem]), ...(await readNotes(baseUrl))];
      wait(reasons.length === 0 ? undefined : reasons.join('; '));
      await sleep(1000 * CHECK_INTERVAL_SECONDS, undefined, { signal });
    }
  });
}

function serverGone(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FAILURES.serverUnavailable, nonRetryable: true, message });
}
