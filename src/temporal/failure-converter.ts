/**
 * Moves the messages and stacks of failures into payloads, which the codec encrypts. The SDK loads this file by its
 * path, also into the sandbox of the workflows, so it imports nothing of Node.
 */
import {
  DefaultFailureConverter,
  type FailureConverter,
  type PayloadConverter,
  type ProtoFailure,
} from '@temporalio/common';
import { PAYLOAD_NOT_DECRYPTED } from './payload-not-decrypted.ts';

/** The message that Temporal's SDKs and Web UI show in place of an encoded one. */
const ENCODED = 'Encoded failure';

const plain = new DefaultFailureConverter();

/**
 * Not the SDK's own `encodeCommonAttributes`, which loses the message of a failure that is converted twice, and hides
 * which key is missing.
 */
export const failureConverter: FailureConverter = {
  errorToFailure(error, payloadConverter, context) {
    const failure = plain.errorToFailure(error, payloadConverter, context);
    // It names only a key, and must be readable for those who lack this key.
    return isAboutKeys(error) ? failure : encoded(failure, payloadConverter);
  },
  failureToError: (failure, payloadConverter, context) =>
    plain.failureToError(failure, payloadConverter, context),
};

function encoded(failure: ProtoFailure, payloadConverter: PayloadConverter): ProtoFailure {
  const { message, stackTrace, cause } = failure;
  // A failure that was received and is passed on.
  if (message === ENCODED && failure.encodedAttributes) return failure;
  return {
    ...failure,
    message: ENCODED,
    stackTrace: '',
    encodedAttributes: payloadConverter.toPayload({ message, stack_trace: stackTrace }),
    cause: cause ? encoded(cause, payloadConverter) : null,
  };
}

/** Returns whether it is an error of decryption, or the SDK's failure about one. */
function isAboutKeys(error: unknown): boolean {
  const { name, type } = (error ?? {}) as { readonly name?: unknown; readonly type?: unknown };
  return name === PAYLOAD_NOT_DECRYPTED || type === PAYLOAD_NOT_DECRYPTED;
}
