/**
 * Whether a signal has these numbers. Anybody may send one, a worker of another build or a person at the CLI, and what a
 * handler throws at would stop the workflow: what isn't well-formed is left alone.
 */
export function hasNumbers<Message extends object>(
  message: Message | null | undefined,
  ...fields: readonly (keyof Message)[]
): message is Message {
  return (
    typeof message === 'object' &&
    message !== null &&
    fields.every((field) => Number.isFinite(message[field]))
  );
}

/** Whether it is a list of texts. */
export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
