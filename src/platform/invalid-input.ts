/** The work can't continue unless the user changes something; the message says what. */
export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
}
