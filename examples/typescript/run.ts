/**
 * Starts, follows and controls a run of the Self-Taught Evaluator:
 *
 *   node run.ts start CONFIGURATION.json
 *   node run.ts follow|pause|resume|cancel|result NAME [REASON]
 *
 * Connects to the server of TEMPORAL_ADDRESS, or of the profile in Temporal's configuration file. Payloads are encrypted if
 * TEMPORAL_ENCRYPTION_KEYS_FILE is set, as for the workers.
 */
import { readFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import {
  dataConverterFrom,
  failureMessage,
  findRun,
  startRun,
  type ConfigurationInput,
} from 'self-taught-evaluator-client';

const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
const connection = await Connection.connect(connectionOptions);
const client = new Client({ connection, namespace, dataConverter: dataConverterFrom(process.env) });

async function start(file: string): Promise<void> {
  const configuration = JSON.parse(await readFile(file, 'utf8')) as ConfigurationInput;
  const run = await startRun(client, configuration);
  console.log(run.runName);
}

/** Prints a line whenever the progress changes, until the run has ended. */
async function follow(name: string): Promise<void> {
  for await (const { status, paused, stages } of findRun(client, name).follow()) {
    const underWay = stages.map((stage) =>
      stage.total === undefined ? stage.name : `${stage.name} ${stage.done}/${stage.total}`,
    );
    console.log(paused === undefined ? status : `${status}: ${paused.reason}`, underWay.join(', '));
  }
}

const [command, name = '', reason] = process.argv.slice(2);
const run = findRun(client, name);
const commands: Record<string, () => Promise<void>> = {
  start: () => start(name),
  follow: () => follow(name),
  pause: () => run.pause(reason === undefined ? {} : { reason }),
  resume: () => run.resume(),
  cancel: () => run.cancel(),
  result: async () => console.log(JSON.stringify(await run.result())),
};

try {
  const chosen = commands[command ?? ''];
  if (chosen === undefined)
    throw new Error(`unknown command: use one of ${Object.keys(commands).join(', ')}`);
  await chosen();
} catch (error) {
  console.error(failureMessage(error));
  process.exitCode = 1;
} finally {
  await connection.close();
}
