import { resolve } from 'node:path';
import type { ExitReason } from '../core/exit-codes.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { DATABASE_FILE, devServerPorts, startDevServer } from './dev-server.ts';
import { ensureTemporalCli } from '../setup/temporal-cli.ts';
import { printText, printError, printJson } from '../core/output.ts';

export interface DevServerCommandOptions {
  readonly port: string;
  readonly 'ui-port': string;
  readonly 'http-port'?: string | undefined;
  /** {@link DATABASE_FILE} by default. */
  readonly 'db-filename': string | undefined;
  readonly 'codec-endpoint': string | undefined;
}

/**
 * Runs the Temporal development server in the foreground until Ctrl-C, or until it exits.
 * @throws SetupError that says what to do if it doesn't start
 */
export async function runDevServer(
  {
    'db-filename': dbFile = DATABASE_FILE,
    'codec-endpoint': codecEndpoint,
    ...ports
  }: DevServerCommandOptions,
  json: boolean,
): Promise<ExitReason> {
  const server = await startDevServer({
    ports: devServerPorts(process.env, { ...ports }),
    databaseFile: resolve(dbFile),
    codecEndpoint,
  });
  let stopping = false;
  const stop = () => {
    stopping = true;
    void server.stop();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  // The server keeps running if the reader of the address closes the pipe.
  process.stdout.on('error', () => undefined);
  const { address, uiUrl, httpUrl } = server;
  const cli = await ensureTemporalCli();
  if (json) printJson({ address, uiUrl, httpUrl, cli });
  else {
    printText(`Temporal server  ${address}`);
    printText(`Web UI           ${uiUrl}`);
    if (httpUrl !== undefined) printText(`HTTP API         ${httpUrl}`);
    printText(`Command line     ${cli}`);
    if (address !== '127.0.0.1:7233')
      printText(`For workers, clients and Temporal's CLI set TEMPORAL_ADDRESS=${address}`);
    printText(
      `Ctrl-C stops it; the next start continues with the same runs. To start a worker: ${PROGRAM_CALL} worker`,
    );
  }
  const code = await server.ended;
  if (stopping || code === 0) return 'done';
  printError(
    `The Temporal server exited unexpectedly (exit code ${code ?? 'none'}). Its log is server.log beside ${dbFile}.`,
  );
  return 'failed';
}
