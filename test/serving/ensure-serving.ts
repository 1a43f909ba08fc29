/** A worker process for tests: brings a server up, prints its base URL and ends. */
import type { CommandDriver } from '../../src/serving/drivers.ts';
import { createServerSupervisor } from '../../src/serving/supervisor.ts';

const work = JSON.parse(process.argv[2] as string) as {
  stateFolder: string;
  folder: string;
  driver: CommandDriver;
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
  driver: work.driver,
  checkpoint: '/models/seed',
  runName: 'run',
  iteration: 2,
  owner: `worker ${process.pid}`,
});
console.log(served.baseUrl);
await supervisor.close();
