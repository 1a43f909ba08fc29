import { SettingError } from '../platform/setting-error.ts';

/** No Temporal server answers at the configured address, or it rejects the connection. */
export class TemporalUnreachable extends SettingError {
  override readonly name = 'TemporalUnreachable';
}
