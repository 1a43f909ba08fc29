import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import type { ExitReason } from '../core/exit-codes.ts';
import { CommandError } from '../core/command-error.ts';
import { printJson, printText } from '../core/output.ts';
import { stopSignal } from '../core/stop-signal.ts';
import { formatListenAddress } from '../../observability/listen-address.ts';
import { startCodecServer } from '../../temporal/codec-server.ts';
import { KEYS_FILE_VARIABLE } from '../../temporal/encryption-keys.ts';
import { temporalSettings } from '../../temporal/settings.ts';
import { devServerPorts } from './dev-server.ts';

export interface CodecServerCommandOptions {
  readonly port: string;
  readonly host: string;
  /** The development server's Web UI by default. */
  readonly origin: readonly string[] | undefined;
}

const TOKEN_VARIABLE = 'SELF_TAUGHT_EVALUATOR_CODEC_TOKEN';

/**
 * Serves Temporal's remote codec in the foreground until Ctrl-C.
 * @throws CommandError, SettingError that says what to set
 */
export async function runCodecServer(options: CodecServerCommandOptions, json: boolean): Promise<ExitReason> {
  const { host } = options;
  const signal = stopSignal();
  const port = portOf(options.port);
  const { encryptionKeys: keys, namespace } = temporalSettings(process.env);
  if (keys.length === 0)
    throw new CommandError('usage', `There are no keys to decrypt with: set ${KEYS_FILE_VARIABLE}.`);
  const token = process.env[TOKEN_VARIABLE] || undefined;
  if (isIP(host) === 0)
    throw new CommandError('usage', `--host is ${JSON.stringify(host)}, but must be an IP address.`);
  if (token === undefined && !isLoopback(host))
    throw new CommandError(
      'usage',
      `--host ${host} lets other machines decrypt: set ${TOKEN_VARIABLE} to a secret that they must send.`,
    );
  const ui = devServerPorts(process.env).ui;
  const origins = options.origin?.map(originOf) ?? [`http://127.0.0.1:${ui}`, `http://localhost:${ui}`];
  const server = await startCodecServer({ keys, namespace, host, port, token, origins }).catch(
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandError(
        'failed',
        `The codec server can't listen on ${host}:${port}: ${reason}. Choose another --port.`,
      );
    },
  );
  const address = `http://${formatListenAddress({ host, port: (server.address() as AddressInfo).port })}`;
  const keyIds = keys.map(({ id }) => id);
  if (json) printJson({ address, namespace, keyIds, origins });
  else {
    printText(`Codec server  ${address}, for the namespace ${namespace}, keys ${keyIds.join(', ')}`);
    printText(
      `Web UI        ${origins.join(', ')}: set the codec server's address in its data encoder settings`,
    );
    const auth = token === undefined ? '' : ` --codec-auth "Bearer $${TOKEN_VARIABLE}"`;
    printText(`Command line  temporal workflow show --workflow-id RUN --codec-endpoint ${address}${auth}`);
  }
  if (!signal.aborted) await once(signal, 'abort');
  server.close();
  server.closeAllConnections();
  return 'done';
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new CommandError('usage', `--port is ${JSON.stringify(text)}, but must be a port.`);
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

/** A browser sends no path with an origin, and no port that is the default. */
function originOf(text: string): string {
  const origin = URL.parse(text)?.origin;
  if (origin !== undefined && /^https?:\/\//.test(origin)) return origin;
  throw new CommandError(
    'usage',
    `--origin is ${JSON.stringify(text)}, but must be the address of a Web UI, such as https://temporal.example.org.`,
  );
}
