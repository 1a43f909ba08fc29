/**
 * `npm run record:histories`: makes the histories of test/workflows/histories/ anew, from real runs whose models a
 * scripted endpoint plays. To be run when workflows have changed on purpose, with no run under way that matters.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { findRun, startEvaluation, startJudging, startRun } from '../src/client.ts';
import { startScriptedEndpoint } from '../test/inference/scripted-endpoint.ts';
import { sampleJudge } from '../test/judging/sample-judge.ts';
import { packageRoot, startCluster, type Cluster } from '../test/workflows/cluster.ts';
import { startLocalServer } from '../test/workflows/local-server.ts';
import {
  answers,
  hasBegun,
  progressUntil,
  tinyConfiguration,
  undecided,
  withCategories,
} from '../test/workflows/tiny-run.ts';
import { HISTORIES_FOLDER, historyToText } from '../test/workflows/kept-histories.ts';
import { prepare } from './setup/prepare.ts';
import { runScript } from './setup/run-script.ts';

/** A server that suggests to continue as new this early makes a stage of a few shards do it. */
const EARLY = 30;

/** Stages that are kept already, by how they ended. */
const kept = new Set<string>();

await runScript(async () => {
  const { temporal, python } = await prepare();
  Object.assign(process.env, {
    SELF_TAUGHT_EVALUATOR_TEMPORAL: temporal,
    SELF_TAUGHT_EVALUATOR_PYTHON: python,
  });
  await rm(HISTORIES_FOLDER, { recursive: true, force: true });
  await mkdir(HISTORIES_FOLDER, { recursive: true });
  await onCluster(4096, recordRuns);
  await onCluster(EARLY, recordContinuedRun);
});

async function onCluster(
  suggestContinueAsNewAt: number,
  record: (cluster: Cluster, endpoint: Awaited<ReturnType<typeof startScriptedEndpoint>>) => Promise<void>,
): Promise<void> {
  const cluster = await startCluster(async () => {
    const server = await startLocalServer(suggestContinueAsNewAt);
    return { address: server.address, stop: () => server.teardown() };
  });
  const endpoint = await startScriptedEndpoint({ script: answers });
  try {
    cluster.startWorker();
    await record(cluster, endpoint);
  } finally {
    await cluster.close();
    await endpoint.close();
  }
}

async function recordRuns(
  cluster: Cluster,
  endpoint: Awaited<ReturnType<typeof startScriptedEndpoint>>,
): Promise<void> {
  const { client, taskQueue } = cluster;
  const { baseUrl } = endpoint;

  const two = tinyConfiguration('two-iterations', baseUrl, { iterations: 2 });
  const run = await startRun(client, two);
  await progressUntil(run, hasBegun('fineTune', 1));
  // Another workflow id under the same run name: it follows the first.
  const joined = await client.workflow.start('selfTaughtEvaluator', {
    workflowId: 'joined',
    taskQueue,
    args: [two],
  });
  await progressUntil(findRun(client, 'joined'), ({ phase }) => phase === 'following');
  await Promise.all([run.result(), joined.result()]);
  await keep(cluster, 'two-iterations');
  await keep(cluster, 'joined');

  const categories = await startRun(client, tinyConfiguration('with-categories', baseUrl, withCategories));
  await categories.result();
  await keep(cluster, 'with-categories');

  const budgeted = await startRun(
    client,
    tinyConfiguration('budgeted', baseUrl, { budget: { requests: 100 } }),
  );
  await progressUntil(budgeted, ({ paused }) => paused?.by === 'budget');
  await budgeted.setBudget({ requests: null });
  await budgeted.result();
  await keep(cluster, 'budgeted', 'over a budget');

  const { serving, evaluation } = two;
  await (await startEvaluation(client, { runName: 'evaluated', serving, evaluation })).result();
  await keep(cluster, 'evaluated');

  const judge = join(cluster.storeRoot, 'some-judge.json');
  await writeFile(judge, JSON.stringify(sampleJudge()));
  const pairs = 'embedded/benchmark/test.jsonl';
  await (await startJudging(client, { runName: 'judged', serving, judge, pairs })).result();
  await keep(cluster, 'judged');

  endpoint.script(undecided);
  const failed = await startRun(client, tinyConfiguration('failed', baseUrl));
  await failed.result().catch(expectFailure);
  await keep(cluster, 'failed');

  // The judge is asked for several samples at once, and never answers.
  endpoint.script((request) => ((request.body.n ?? 1) > 1 ? { kind: 'hang' } : answers(request)));
  const cancelled = await startRun(client, tinyConfiguration('cancelled', baseUrl));
  await progressUntil(cancelled, hasBegun('judgePairs', 1));
  await cancelled.cancel();
  await cancelled.result().catch(expectFailure);
  await keep(cluster, 'cancelled');
}

async function recordContinuedRun(
  cluster: Cluster,
  { baseUrl }: Awaited<ReturnType<typeof startScriptedEndpoint>>,
): Promise<void> {
  const instructions = { pool: ['embedded/instructions.jsonl'], maximum: 60, shardSize: 5 };
  const run = await startRun(cluster.client, tinyConfiguration('continued', baseUrl, { instructions }));
  await run.result();
  await keep(cluster, 'continued');
}

function expectFailure(error: unknown): void {
  if (!(error instanceof WorkflowFailedError)) throw error;
}

/**
 * Writes the histories of a run's workflow, and of the workflows that it has started, one file each: of stages that go
 * the same way in many runs and iterations, the first.
 * @param special what its stages go through that those of others don't
 */
async function keep({ client, storeRoot }: Cluster, workflowId: string, special = ''): Promise<void> {
  const query = `WorkflowId = "${workflowId}" OR WorkflowId STARTS_WITH "${workflowId}/"`;
  const executions = await Array.fromAsync(client.workflow.list({ query }));
  const chains = Map.groupBy(executions, (execution) => execution.workflowId);
  for (const [id, chain] of [...chains].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const stage = id.replace(/^[^/]+\/\d+\//, '');
    const way = `${stage}: ${chain.map(({ status }) => status.name).join(', ')} ${special}`;
    if (id !== workflowId && kept.has(way)) continue;
    kept.add(way);
    const inOrder = chain.toSorted((a, b) => Number(a.startTime) - Number(b.startTime));
    for (const [index, { runId }] of inOrder.entries()) {
      const history = await client.workflow.getHandle(id, runId).fetchHistory();
      const name = `${id.replaceAll('/', '.')}${chain.length > 1 ? `.part-${index + 1}` : ''}.json`;
      await writeFile(join(HISTORIES_FOLDER, name), historyToText(history, neutralPlaces(storeRoot)));
      console.log(`${name}: ${history.events?.length} events`);
    }
  }
}

/** What tells of this machine, and what stands for it in the files. */
function neutralPlaces(storeRoot: string): [RegExp, string][] {
  const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  return [
    [/\d+@[\w.-]+/g, 'worker'],
    [new RegExp(literally(storeRoot), 'g'), '/store'],
    [new RegExp(literally(packageRoot), 'g'), '/package'],
    [new RegExp(literally(homedir()), 'g'), '/home'],
    [new RegExp(`(?<!\\w)${literally(hostname())}(?!\\w)`, 'g'), 'machine'],
  ];
}
