import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import {
  dataConverterFrom,
  findEvaluation,
  PayloadNotDecrypted,
  RunNotFound,
  startEvaluation,
  type JudgeEvaluationConfigurationInput,
} from '../../src/client/index.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { rawHistories } from '../support/raw-history.ts';
import { runCli } from '../support/run-cli.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';

const TEAMS = ['blue', 'red'] as const;
type Team = (typeof TEAMS)[number];

/** As docs/teams.md describes it: one server, and for each team a namespace, a key, a store and a worker. */
describe('two teams on one server', function () {
  this.timeout(180_000);
  const keys = Object.fromEntries(
    TEAMS.map((team) => [team, `${team}-1:${randomBytes(32).toString('base64')}`]),
  ) as Record<Team, string>;
  let server: Cluster;
  let teams: Record<Team, Cluster>;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    server = await startCluster();
    const start = async (team: Team) => {
      await server.cli('operator', 'namespace', 'create', '--namespace', team);
      const { workflowService } = server.client;
      // The services of the server learn of it a little later.
      while (!(await workflowService.listWorkflowExecutions({ namespace: team }).catch(() => undefined)))
        await sleep(100);
      return startCluster(() => Promise.resolve({ address: server.address, stop: async () => {} }), {
        TEMPORAL_NAMESPACE: team,
        TEMPORAL_ENCRYPTION_KEYS: keys[team],
      });
    };
    teams = { blue: await start('blue'), red: await start('red') };
    endpoint = await startScriptedEndpoint({ script: () => ({ kind: 'answer', texts: ['[[A]]'] }) });
    for (const team of TEAMS) teams[team].startWorker();
  });
  after(async () => {
    for (const team of TEAMS) await teams[team].close();
    await server.close();
    await endpoint.close();
  });

  const client = (namespace: Team, key: string) =>
    new Client({
      connection: server.client.connection,
      namespace,
      dataConverter: dataConverterFrom({ TEMPORAL_ENCRYPTION_KEYS: key }),
    });

  const evaluation = (runName: string, model: string): JudgeEvaluationConfigurationInput => ({
    runName,
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: model },
    evaluation: {
      benchmarks: [{ name: 'pairs', format: 'pairs', path: 'embedded/benchmark/validation.jsonl' }],
    },
    timeouts: { heartbeatSeconds: 5 },
  });

  it('have runs of the same name on task queues of the same name, each on its own workers and in its own store', async () => {
    await Promise.all(
      TEAMS.map(async (team) => {
        const run = await startEvaluation(
          client(team, keys[team]),
          evaluation('nightly', `judge-of-${team}`),
        );
        return run.result();
      }),
    );
    for (const [team, other] of [TEAMS, TEAMS.toReversed()] as [Team, Team][]) {
      const history = await rawHistories(client(team, keys[team]), 'nightly');
      assert.match(history, new RegExp(`"encryption-key-id":"${team}-1"`));
      assert(!history.includes(`${other}-1`));
    }
    const models = new Set(endpoint.requests.map(({ body }) => body.model));
    assert.deepEqual(models, new Set(TEAMS.map((team) => `judge-of-${team}`)));
  });

  it('see neither runs nor data of each other', async () => {
    await (
      await startEvaluation(client('blue', keys.blue), evaluation('secret-of-blue', 'judge-of-blue'))
    ).result();
    assert((await readdir(teams.blue.storeRoot)).includes('secret-of-blue'));
    assert(!(await readdir(teams.red.storeRoot)).includes('secret-of-blue'));
    await assert.rejects(findEvaluation(client('red', keys.red), 'secret-of-blue').result(), RunNotFound);
    const { out } = await runCli(['runs', '--json', '--store', teams.red.storeRoot], {
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_CONFIG_FILE: '',
      TEMPORAL_NAMESPACE: 'red',
      TEMPORAL_ENCRYPTION_KEYS: keys.red,
    });
    assert.match(out, /nightly/);
    assert.doesNotMatch(out, /secret-of-blue/);
  });

  it('cannot read each other even on a server that lets everybody name every namespace', async () => {
    const run = findEvaluation(client('blue', keys.red), 'nightly');
    await assert.rejects(run.result(), PayloadNotDecrypted);
    await assert.rejects(run.progress(), PayloadNotDecrypted);
  });
});
