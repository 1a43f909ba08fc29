/** The user must do something before this works. Only the message is shown, without a stack. */
export class SetupError extends Error {
  override name = 'SetupError';
}
