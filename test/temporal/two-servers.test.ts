import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findReleasedServer } from '../../tools/setup/released-server.ts';
import { startRun } from '../../src/client/index.ts';
import { startCluster, type Cluster, type StartServer } from '../support/cluster.ts';
import { startLoadBalancer } from '../support/load-balancer.ts';
import { findPostgres, startPostgres } from '../support/postgres.ts';
import { registerNamespace, startServerProcess } from '../support/released-server.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import {
  slowScriptedAnswers,
  stageStarted,
  tinyConfiguration,
  waitForProgress,
} from '../support/tiny-run.ts';

describe('two Temporal servers on PostgreSQL', function () {
  this.timeout(900_000);
  let endpoint: ScriptedEndpoint | undefined;
  let cluster: Cluster | undefined;

  after(async () => {
    await cluster?.close();
    await endpoint?.close();
  });

  it('complete a run although the one that its worker talks to is killed in the middle', async function () {
    const [released, postgres] = [await findReleasedServer(), findPostgres()];
    if (released === undefined || postgres === undefined) {
      console.log(
        '      skipped: needs PostgreSQL (apt-get install postgresql) and TEST_RELEASED_SERVER=1, which builds the server',
      );
      return this.skip();
    }
    let killFirst = async (): Promise<void> => undefined;
    const startServers: StartServer = async (folder) => {
      const postgresServer = await startPostgres(postgres, released.sqlTool);
      const start = (name: string) => {
        mkdirSync(join(folder, name));
        return startServerProcess(released.server, join(folder, name), postgresServer.database);
      };
      const servers = [await start('first'), await start('second')] as const;
      await registerNamespace(servers[0].address);
      const balancer = await startLoadBalancer(servers.map(({ address }) => address));
      killFirst = servers[0].stop;
      return {
        address: balancer.address,
        async stop() {
          await balancer.stop();
          await servers[1].stop();
          await postgresServer.stop();
        },
      };
    };
    endpoint = await startScriptedEndpoint({ script: slowScriptedAnswers });
    cluster = await startCluster(startServers);
    const worker = cluster.startWorker();
    const run = await startRun(cluster.client, tinyConfiguration('fails-over', endpoint.baseUrl));
    await waitForProgress(run, stageStarted('judgePairs', 1));
    await killFirst();
    const { iterations } = await run.result();
    assert.equal(iterations.length, 2);
    assert.equal(worker.child.exitCode, null, 'the worker went on');
  });
});
