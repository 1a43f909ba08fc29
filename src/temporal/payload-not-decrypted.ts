/** The name of {@link PayloadNotDecrypted}, also as the type of a failure in a history. */
export const PAYLOAD_NOT_DECRYPTED = 'PayloadNotDecrypted';

const BEGINNING = 'A payload of Temporal is ';

/** Returns whether a failure in a history is about a payload that its worker can't decrypt: it has no type there. */
export function isPayloadNotDecrypted(message: string | null | undefined): message is string {
  return message?.startsWith(BEGINNING) === true;
}

/** A payload can't be decrypted with the keys of this process. The message contains no part of a key or payload. */
export class PayloadNotDecrypted extends Error {
  override readonly name = PAYLOAD_NOT_DECRYPTED;

  constructor(problem: string, options?: ErrorOptions) {
    super(`${BEGINNING}${problem}.`, options);
  }
}
