import { SettingError } from '../../platform/setting-error.ts';
import { normalizeKey } from '../objects/keys.ts';

/** @throws SettingError if the address names no bucket */
export function parseAddress(address: string): { bucket: string; prefix: string } {
  const { bucket, rest = '' } =
    /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]+)(\/(?<rest>.*))?$/.exec(address)?.groups ?? {};
  if (bucket === undefined)
    throw new SettingError(
      `${address} names no bucket: give s3://BUCKET or s3://BUCKET/PREFIX, such as s3://judges/team-a`,
    );
  return { bucket, prefix: normalizeKey(rest, address) };
}
