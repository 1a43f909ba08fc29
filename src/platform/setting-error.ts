/** A setting must be changed before a worker can start. The message says which; it needs no stack. */
export class SettingError extends Error {
  override readonly name: string = 'SettingError';
}
