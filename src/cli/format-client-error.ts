import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { InvalidConfiguration, failureMessage, RunConflict, RunEnded, RunNotFound } from '../client/index.ts';
import type { FormattedError } from './core/formatted-error.ts';
import { PROGRAM_CALL } from '../platform/program.ts';

/** The gRPC codes of rejected credentials: PERMISSION_DENIED, UNAUTHENTICATED. */
const ACCESS_DENIED_CODES: readonly number[] = [7, 16];

/** The message of an error of the client or of Temporal; undefined for any other error. */
export function formatClientError(error: unknown): FormattedError | undefined {
  if (error instanceof RunNotFound) return { message: sentence(error.message), exitReason: 'not-found' };
  if (error instanceof RunConflict || error instanceof InvalidConfiguration)
    return { message: sentence(error.message), exitReason: 'usage' };
  if (error instanceof RunEnded) return { message: sentence(error.message), exitReason: 'failed' };
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError)
    return { message: sentence(failureMessage(error)), exitReason: 'failed' };
  if (error instanceof NamespaceNotFoundError)
    return {
      message: `The Temporal server has no namespace ${JSON.stringify(error.namespace)}: set TEMPORAL_NAMESPACE, or choose another profile.`,
      exitReason: 'unreachable',
    };
  const message = connectionFailureText(error);
  return message === undefined ? undefined : { message, exitReason: 'unreachable' };
}

/** The message of a gRPC error: rejected credentials, or a server that fails to answer. */
function connectionFailureText(error: unknown): string | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (!isGrpcServiceError(current)) continue;
    return ACCESS_DENIED_CODES.includes(current.code)
      ? `Temporal rejected the credentials (${current.details}): check TEMPORAL_API_KEY, TEMPORAL_NAMESPACE, the certificate, or the profile.`
      : `Temporal failed to answer (${current.details || current.message}): "${PROGRAM_CALL} doctor" finds the cause.`;
  }
  return undefined;
}

/** Begins with a capital letter, unless the first word is a name, a path or an address. */
function sentence(message: string): string {
  const text = message.replace(/^[a-z](?=[a-z']*,?\s)/, (letter) => letter.toUpperCase());
  return /[.!?]$/.test(text) || text.includes('\n') ? text : `${text}.`;
}
