/** Something that has to be set otherwise before a worker can start: its message says what, and needs no stack. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}
