/** `npm run temporal`: the Temporal development server with its Web UI, in the foreground, until Ctrl-C. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DATABASE_FILE, portsFrom, startTemporal } from './setup/dev-server.ts';
import { runScript } from './setup/run-script.ts';
import { SetupError } from './setup/setup-error.ts';
import { ensureTemporalCli } from './setup/temporal-cli.ts';

const OPTIONS = {
  port: { type: 'string' },
  'ui-port': { type: 'string' },
  'http-port': { type: 'string' },
  'db-filename': { type: 'string', default: DATABASE_FILE },
} as const;

function optionsFrom(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new SetupError(error instanceof Error ? error.message : String(error));
  }
}

await runScript(async () => {
  const { 'db-filename': dbFile, ...ports } = optionsFrom(process.argv.slice(2));
  const server = await startTemporal({ ports: portsFrom(process.env, ports), dbFile: resolve(dbFile) });
  const stop = () => void server.stop();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  const { address, uiUrl } = server;
  console.log(`Temporal server  ${address}`);
  console.log(`Web UI           ${uiUrl}`);
  console.log(`Command line     ${await ensureTemporalCli()}`);
  if (address !== '127.0.0.1:7233')
    console.log(`Workers, clients and the CLI find it by TEMPORAL_ADDRESS=${address}`);
  console.log('Ctrl-C stops it; the next start goes on with the same runs.');
  process.exitCode = (await server.ended) ?? 0;
});
