/** `start-run.ts ADDRESS CONFIGURATION`: starts a run in a process of its own and prints the id of its workflow's first run. */
import { Client, Connection } from '@temporalio/client';
import { startRun, type ConfigurationInput } from '../../src/client.ts';

const [address = '', configuration = ''] = process.argv.slice(2);
const connection = await Connection.connect({ address });
const client = new Client({ connection });
const { workflowId } = await startRun(client, JSON.parse(configuration) as ConfigurationInput);
console.log((await client.workflow.getHandle(workflowId).describe()).runId);
await connection.close();
