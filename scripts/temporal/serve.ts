import { resolve } from 'node:path';
import type { Ending } from '../cli/exit-codes.ts';
import { CALL } from '../cli/program.ts';
import { DATABASE_FILE, portsFrom, startTemporal } from '../setup/dev-server.ts';
import { ensureTemporalCli } from '../setup/temporal-cli.ts';

export interface ServeOptions {
  readonly port: string;
  readonly 'ui-port': string;
  readonly 'http-port': string;
  /** In the checkout by default. */
  readonly 'db-filename': string | undefined;
}

/**
 * Runs the Temporal development server in the foreground until Ctrl-C or its end.
 * @throws SetupError that says what to do where it doesn't start
 */
export async function serve(
  { 'db-filename': dbFile = DATABASE_FILE, ...ports }: ServeOptions,
  json: boolean,
): Promise<Ending> {
  const server = await startTemporal({
    ports: portsFrom(process.env, { ...ports }),
    dbFile: resolve(dbFile),
  });
  let stopping = false;
  const stop = () => {
    stopping = true;
    void server.stop();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  // Who reads the address may have enough; the server goes on.
  process.stdout.on('error', () => undefined);
  const { address, uiUrl } = server;
  const cli = await ensureTemporalCli();
  if (json) console.log(JSON.stringify({ address, uiUrl, cli }));
  else {
    console.log(`Temporal server  ${address}`);
    console.log(`Web UI           ${uiUrl}`);
    console.log(`Command line     ${cli}`);
    if (address !== '127.0.0.1:7233')
      console.log(`Workers, clients and Temporal's CLI find it by TEMPORAL_ADDRESS=${address}`);
    console.log(`Ctrl-C stops it; the next start goes on with the same runs. A worker: ${CALL} worker`);
  }
  const code = await server.ended;
  if (stopping || code === 0) return 'done';
  console.error(
    `The Temporal server has ended by itself (exit code ${code ?? 'none'}); its log is server.log beside ${dbFile}.`,
  );
  return 'failed';
}
