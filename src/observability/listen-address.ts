import { isIP } from 'node:net';
import { SettingError } from '../platform/setting-error.ts';

/** The address that a listener of the worker is bound to. */
export interface ListenAddress {
  /** An IP address of this machine, or `0.0.0.0` or `::` for all of them. */
  readonly host: string;
  readonly port: number;
}

/**
 * The address in an option such as `9464` (loopback), `0.0.0.0:9464`, `localhost:9464` or `[::]:9464`; undefined if the option is empty.
 * @throws SettingError that names the option
 */
export function parseListenAddress(option: string, text: string): ListenAddress | undefined {
  if (text === '') return undefined;
  const [, bracketed, plain, digits] = /^(?:(?:\[(.+)\]|([^:]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const name = bracketed ?? plain ?? 'localhost';
  const host = name === 'localhost' ? '127.0.0.1' : name;
  const port = Number(digits);
  if (isIP(host) === 0 || !(port >= 1 && port <= 65_535)) {
    throw new SettingError(
      `${option} is ${JSON.stringify(text)}, but must be a port of this machine only, such as 9464, or an IP address and a port, such as 0.0.0.0:9464`,
    );
  }
  return { host, port };
}

/** Formats the address as in a URL. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
