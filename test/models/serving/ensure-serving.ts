/** A worker process for tests: ensures that a server runs, prints its base URL and ends. */
import type { CommandServing } from '../../../src/models/serving/drivers/command.ts';
import { createServerSupervisor } from '../../../src/models/serving/supervisor.ts';

const work = JSON.parse(process.argv[2] as string) as {
  stateFolder: string;
  folder: string;
  serving: CommandServing;
};
const supervisor = createServerSupervisor({
  stateFolder: work.stateFolder,
  log: (level, message) => console.error(level, message),
  python: 'python3',
  storeRoot: work.folder,
  packageRoot: work.folder,
  cacheFolder: work.folder,
  environment: process.env,
});
const served = await supervisor.ensureServing({
  serving: work.serving,
  checkpoint: '/models/seed',
  runName: 'run',
  iteration: 2,
  owner: `worker ${process.pid}`,
});
console.log(served.baseUrl);
await supervisor.close();
