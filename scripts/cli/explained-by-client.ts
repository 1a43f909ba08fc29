import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import {
  ConfigurationRefused,
  failureMessage,
  RunConflict,
  RunEnded,
  RunNotFound,
} from '../../src/client.ts';
import type { Explained } from './explained.ts';

/** The gRPC codes by which a server, or what stands before it, turns a caller away: PERMISSION_DENIED, UNAUTHENTICATED. */
const TURNED_AWAY: readonly number[] = [7, 16];

/** What an error of the client says to a user; undefined for any other. */
export function explainedByClient(error: unknown): Explained | undefined {
  if (error instanceof RunNotFound) return { message: sentence(error.message), ending: 'not-found' };
  if (error instanceof RunConflict || error instanceof ConfigurationRefused)
    return { message: sentence(error.message), ending: 'usage' };
  if (error instanceof RunEnded) return { message: sentence(error.message), ending: 'failed' };
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError)
    return { message: sentence(failureMessage(error)), ending: 'failed' };
  if (error instanceof NamespaceNotFoundError)
    return {
      message: `The Temporal server has no namespace ${JSON.stringify(error.namespace)}: set TEMPORAL_NAMESPACE, or choose another profile.`,
      ending: 'unreachable',
    };
  const refusal = refusalIn(error);
  return refusal === undefined ? undefined : { message: refusal, ending: 'unreachable' };
}

/** What the server says where it doesn't answer, or doesn't accept who asks. */
function refusalIn(error: unknown): string | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (!isGrpcServiceError(current)) continue;
    return TURNED_AWAY.includes(current.code)
      ? `Temporal doesn't accept who asks (${current.details}): look at TEMPORAL_API_KEY, TEMPORAL_NAMESPACE, the certificate, or the profile.`
      : `Temporal doesn't answer as it should (${current.details || current.message}): "npx self-taught-evaluator doctor" says more.`;
  }
  return undefined;
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) || text.includes('\n') ? text : `${text}.`;
}
