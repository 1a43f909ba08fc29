/**
 * `npm run record:histories`: records the histories in test/workflows/histories/ again, from real runs with a scripted endpoint.
 * Needed after an intended change of the workflows; open runs that must continue do not survive such a change.
 */
import { mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { findRun, startEvaluation, startPairsJudging, startRun } from '../src/client/index.ts';
import { startScriptedEndpoint } from '../test/support/scripted-endpoint.ts';
import { sampleJudge } from '../test/support/sample-judge.ts';
import { startCluster, type Cluster } from '../test/support/cluster.ts';
import { machineName } from '../src/platform/machine-name.ts';
import { packageRoot } from '../src/platform/package-root.ts';
import { startLocalServer } from '../test/support/local-server.ts';
import {
  scriptedAnswers,
  stageStarted,
  waitForProgress,
  tinyConfiguration,
  judgeWithoutVerdict,
  withCategories,
  withPlansAndTasks,
} from '../test/support/tiny-run.ts';
import { HISTORIES_FOLDER, historyToText } from '../test/workflows/kept-histories.ts';
import { installDependencies } from '../src/cli/setup/install-dependencies.ts';
import { runTool } from './setup/run-tool.ts';

/** The server suggests this early to continue as new, so that stages with few shards do it. */
const EARLY = 30;

/** Stages that are recorded already, with their outcome. */
const kept = new Set<string>();

await runTool(async () => {
  const { temporal, python } = await installDependencies();
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
  const endpoint = await startScriptedEndpoint({ script: scriptedAnswers });
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
  await waitForProgress(run, stageStarted('fineTune', 1));
  // Another workflow id with the same run name waits for the first workflow.
  const joined = await client.workflow.start('selfTaughtEvaluator', {
    workflowId: 'joined',
    taskQueue,
    args: [two],
  });
  await waitForProgress(findRun(client, 'joined'), ({ status }) => status === 'joined');
  await Promise.all([run.result(), joined.result()]);
  await keep(cluster, 'two-iterations');
  await keep(cluster, 'joined');

  const categories = await startRun(client, tinyConfiguration('with-categories', baseUrl, withCategories));
  await categories.result();
  await keep(cluster, 'with-categories');

  const planned = await startRun(client, tinyConfiguration('with-plans', baseUrl, withPlansAndTasks));
  await planned.result();
  await keep(cluster, 'with-plans');

  const budgeted = await startRun(
    client,
    tinyConfiguration('budgeted', baseUrl, { budget: { requests: 100 } }),
  );
  await waitForProgress(budgeted, ({ paused }) => paused?.by === 'budget');
  await budgeted.setBudget({ requests: null });
  await budgeted.result();
  await keep(cluster, 'budgeted', 'over a budget');

  const { serving, evaluation } = two;
  await (await startEvaluation(client, { runName: 'evaluated', serving, evaluation })).result();
  await keep(cluster, 'evaluated');

  const judge = join(cluster.storeRoot, 'some-judge.json');
  await writeFile(judge, JSON.stringify(sampleJudge()));
  const pairs = 'embedded/benchmark/test.jsonl';
  await (
    await startPairsJudging(client, { runName: 'judged', serving, judgeFile: judge, pairsFile: pairs })
  ).result();
  await keep(cluster, 'judged');

  endpoint.script(judgeWithoutVerdict);
  const failed = await startRun(client, tinyConfiguration('failed', baseUrl));
  await failed.result().catch(expectFailure);
  await keep(cluster, 'failed');

  // M_1 never answers requests for several samples. It is no better than M_0, so that its judging is dropped.
  endpoint.script((request) =>
    request.body.model === 'judge-1' && (request.body.n ?? 1) > 1
      ? { kind: 'hang' }
      : scriptedAnswers(request),
  );
  const earlyStopping = { patience: 1, minDelta: 0.99 };
  const stopped = await startRun(
    client,
    tinyConfiguration('stopped-early', baseUrl, { iterations: 2, earlyStopping }),
  );
  await stopped.result();
  await keep(cluster, 'stopped-early');

  // Requests to the judge for several samples are never answered.
  endpoint.script((request) => ((request.body.n ?? 1) > 1 ? { kind: 'hang' } : scriptedAnswers(request)));
  const cancelled = await startRun(client, tinyConfiguration('cancelled', baseUrl));
  await waitForProgress(cancelled, stageStarted('judgePairs', 1));
  await cancelled.cancel();
  await cancelled.result().catch(expectFailure);
  await keep(cluster, 'cancelled');
}

async function recordContinuedRun(
  cluster: Cluster,
  { baseUrl }: Awaited<ReturnType<typeof startScriptedEndpoint>>,
): Promise<void> {
  const instructions = { pool: ['embedded/instructions.jsonl'], maxInstructions: 60, shardSize: 5 };
  const run = await startRun(cluster.client, tinyConfiguration('continued', baseUrl, { instructions }));
  await run.result();
  await keep(cluster, 'continued');
}

function expectFailure(error: unknown): void {
  if (!(error instanceof WorkflowFailedError)) throw error;
}

/**
 * Writes the histories of a run's workflow and of its child workflows, one file each. Of stages with the same course in several
 * runs and iterations only the first is written.
 * @param special what distinguishes the stages of this run from those of others
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
      await writeFile(join(HISTORIES_FOLDER, name), historyToText(history, await neutralPlaces(storeRoot)));
      console.log(`${name}: ${history.events?.length} events`);
    }
  }
}

/** Texts that identify this machine, and their replacements in the files. */
async function neutralPlaces(storeRoot: string): Promise<[RegExp, string][]> {
  const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  return [
    [/\d+@[\w.-]+/g, 'worker'],
    [new RegExp(literally(storeRoot), 'g'), '/store'],
    [new RegExp(literally(packageRoot), 'g'), '/package'],
    // A link, in a work tree of git.
    [new RegExp(literally(await realpath(join(packageRoot, 'node_modules'))), 'g'), '/package/node_modules'],
    [new RegExp(literally(homedir()), 'g'), '/home'],
    [new RegExp(`(?<!\\w)${literally(await machineName())}(?!\\w)`, 'g'), 'machine'],
  ];
}
