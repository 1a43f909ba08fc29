/** Something that has to be set otherwise before a worker can start: its message says what, and needs no stack. */
export class SettingError extends Error {
  override readonly name: string = 'SettingError';
}

/** No Temporal server answers where the worker looks, or it doesn't accept the worker. */
export class TemporalUnreachable extends SettingError {
  override readonly name = 'TemporalUnreachable';
}
