/** `npm run temporal`: the Temporal development server with its Web UI, in the foreground, until Ctrl-C. */
import { resolve } from 'node:path';
import { DATABASE_FILE, portsFrom, startTemporal } from './setup/dev-server.ts';
import { parseOptions } from './setup/parse-options.ts';
import { runScript } from './setup/run-script.ts';
import { ensureTemporalCli } from './setup/temporal-cli.ts';

const OPTIONS = {
  port: { type: 'string' },
  'ui-port': { type: 'string' },
  'http-port': { type: 'string' },
  'db-filename': { type: 'string', default: DATABASE_FILE },
} as const;

await runScript(async () => {
  const { 'db-filename': dbFile, ...ports } = parseOptions(process.argv.slice(2), OPTIONS);
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
