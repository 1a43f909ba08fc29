import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  failureMessage,
  startRun,
  type Run,
  type RunProgress,
  type RunResult,
} from '../../src/client/index.ts';
import { allProgress, resultSchema } from '../../src/models/training/job.ts';
import { newestStart } from '../../src/models/training/trainer-starts.ts';
import { processLauncher } from '../../src/models/training/launchers/process.ts';
import type { PauseState } from '../../src/api/signals.ts';
import type { MapShardsInput, MapShardsState } from '../../src/workflows/map-shards-types.ts';
import {
  startScriptedEndpoint,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import {
  repeatedRequests,
  isJudgeRequest,
  scriptedAnswer,
  scriptedConfiguration,
} from '../support/scripted-run.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

const failingTrainer = join(import.meta.dirname, '../models/training/failing_trainer.py');

/** One run that is controlled in every way, one after the other: what it loses adds up, and is counted at its end. */
describe('a run that is controlled', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let worker: WorkerProcess;
  let run: Run;
  let result: RunResult;
  let training: string;
  /** How long the endpoint thinks about each request for a response. */
  let generating = 700;
  /** Requests for judgments to train on are held until then. */
  const judging = Promise.withResolvers<void>();
  /** Times that requests in flight were given up, at most two shards with two requests each. */
  let interruptions = 0;
  const IN_FLIGHT = 4;

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({
      script: (request) => ({
        kind: 'answer',
        texts: scriptedAnswer(request),
        finishReason: 'stop',
        afterMilliseconds: isJudgeRequest(request.body) ? 0 : generating,
        heldUntil: isToTrainOn(request) ? judging.promise : undefined,
      }),
    });
    worker = cluster.startWorker();
    training = join(cluster.storeRoot, 'controlled/iteration-1/training');
    run = await startRun(cluster.client, input());
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  /** Requests of an evaluation, which runs beside other stages, are answered at once. */
  const isToTrainOn = ({ body }: RecordedRequest) => isJudgeRequest(body) && body.n !== undefined;

  const input = () =>
    scriptedConfiguration(endpoint.baseUrl, 'controlled', {
      instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 32, shardSize: 8 },
      inference: { concurrentShards: 2, concurrentRequestsPerShard: 2 },
      fineTuning: {
        rounds: [
          {
            method: 'sft',
            hyperparameters: {
              epochs: 100,
              maxSteps: 150,
              perDeviceBatchSize: 16,
              gradientAccumulationSteps: 1,
              maxLength: 1024,
              saveSteps: 40,
            },
          },
        ],
        threads: 1,
        launcher: {
          kind: 'process',
          command: ['{python}', failingTrainer, 'allow', '6', '--job', '{job}'],
        },
      },
    });

  async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    const deadline = performance.now() + 300_000;
    for (;;) {
      const found = await look().catch(() => undefined);
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadline) throw new Error(`waited in vain until ${what}\n${worker.log()}`);
      await sleep(100);
    }
  }

  const during = (stage: string): Promise<RunProgress> =>
    until(`the stage ${stage}`, async () => {
      const progress = await run.progress();
      return progress.stages.some(({ name }) => name === stage) ? progress : undefined;
    });

  const askedMore = (than: number) =>
    until('another request', () => Promise.resolve(endpoint.requests.length > than));

  const steps = async () =>
    existsSync(join(training, 'progress.jsonl'))
      ? allProgress(await readFile(join(training, 'progress.jsonl'), 'utf8')).map(({ step }) => step)
      : [];

  const trainedTo = (step: number) =>
    until(`training step ${step}`, async () => ((await steps()).at(-1) ?? 0) >= step);

  /** Lets the trainer go on to a step, after which it hangs until it is told to stop. */
  const allow = (step: number) => writeFile(join(training, 'allowed'), String(step));

  const trainerIsAlive = async () => {
    const job = (await newestStart(openObjectStore(training)))?.job;
    return job !== undefined && (await processLauncher.look(job)).phase === 'running';
  };

  /** Waits until the trainer is gone, and tells its newest checkpoint's step. */
  async function stoppedAt(): Promise<number> {
    await until('the trainer is gone', async () => !(await trainerIsAlive()));
    const names = await readdir(join(training, 'checkpoints'));
    const [newest = 0] = names.map((name) => Number(name.slice('checkpoint-'.length))).sort((a, b) => b - a);
    assert(existsSync(join(training, 'checkpoints', `checkpoint-${newest}`, 'complete.json')));
    assert.equal(newest, (await steps()).at(-1), 'the checkpoint is of the last step');
    return newest;
  }

  const ended = async (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => assert.fail('it was not refused'),
      (error: unknown) => failureMessage(error),
    );

  it('drains its worker on SIGTERM, also on a second one, and continues with the next worker', async () => {
    await during('generatePairs');
    await askedMore(8);
    const exited = once(worker.child, 'exit');
    worker.child.kill('SIGTERM');
    await sleep(200);
    worker.child.kill('SIGTERM');
    const [code] = (await exited) as [number | null];
    assert.equal(code, 0);
    // Of the pairs and of the evaluation of the seed model.
    interruptions += 2;
    generating = 1;
    worker = cluster.startWorker();
    await during('judgePairs');
    assert(repeatedRequests(endpoint.requests) <= interruptions * IN_FLIGHT);
  });

  it('has a shard paused, unpaused and reset by the commands of the Temporal CLI', async () => {
    const workflowId = 'controlled/1/judgePairs';
    await until('the evaluation of the seed model is over', async () => {
      const { stages } = await run.progress();
      return stages.length === 1 && stages[0]?.name === 'judgePairs';
    });
    const of = (activityId: string) => ['--workflow-id', workflowId, '--activity-id', activityId];
    const pending = await until('two shards under way', async () => {
      const { raw } = await cluster.client.workflow.getHandle(workflowId).describe();
      const ids = raw.pendingActivities?.map(({ activityId }) => activityId ?? '') ?? [];
      return ids.length === 2 && endpoint.inFlight() === IN_FLIGHT ? ids : undefined;
    });
    for (const id of pending) await cluster.cli('activity', 'pause', ...of(id));
    interruptions += 1;
    await until('their requests are given up', () => Promise.resolve(endpoint.inFlight() === 0));
    const asked = endpoint.requests.length;
    assert.equal((await run.progress()).stages.find(({ name }) => name === 'judgePairs')?.done, 0);
    for (const id of pending) await cluster.cli('activity', 'unpause', ...of(id));
    await until('they ask again', () => Promise.resolve(endpoint.requests.length === asked + IN_FLIGHT));
    for (const id of pending) await cluster.cli('activity', 'reset', ...of(id));
    interruptions += 1;
    await askedMore(asked + IN_FLIGHT);
    assert(repeatedRequests(endpoint.requests) <= interruptions * IN_FLIGHT);
  });

  it('pauses with the reason in its progress: running shards end, and no other shard begins', async () => {
    await cluster.cli(
      ...['workflow', 'update', 'execute', '--workflow-id', 'controlled', '--name', 'pause'],
      ...['--input', '{"reason": "the disk is nearly full"}'],
    );
    judging.resolve();
    const { paused, status, stages } = await until('shards in flight have ended', async () => {
      const progress = await run.progress();
      return (progress.stages.find(({ name }) => name === 'judgePairs')?.done ?? 0) >= 2 && progress;
    });
    const asked = endpoint.requests.length;
    assert.equal(paused?.reason, 'the disk is nearly full');
    assert(Math.abs(Date.parse(paused.since) - Date.now()) < 120_000);
    assert.equal(status, 'paused');
    const stage = stages.find(({ name }) => name === 'judgePairs');
    assert(stage !== undefined);
    assert((stage.done ?? 4) < 4, 'there is more to do');
    await sleep(1000);
    assert.equal(endpoint.requests.length, asked);
  });

  it('rejects invalid requests with the name of the field', async () => {
    assert.match(await ended(run.pause()), /controlled has been paused since .*the disk is nearly full/);
    assert.match(
      await ended(run.pause({ reason: 7 as unknown as string })),
      /reason is 7, but must be a text/,
    );
    assert.match(await ended(run.pause({ reason: 'x'.repeat(501) })), /has 501 characters; at most 500/);
    assert.match(
      await ended(run.pause({ why: 'so' } as unknown as { reason: string })),
      /unknown field "why"; known: reason/,
    );
    const asked = endpoint.requests.length;
    await run.resume();
    assert.match(await ended(run.resume()), /controlled is not paused/);
    await askedMore(asked);
  });

  it('stops a training with a checkpoint for a pause, and continues from it', async () => {
    await trainedTo(5);
    await run.pause();
    const stopped = await stoppedAt();
    const { paused, stages } = await run.progress();
    assert.equal(paused?.reason, 'no reason given');
    assert.deepEqual(
      stages.map(({ name }) => name),
      ['fineTune'],
    );
    await allow(stopped + 6);
    await run.resume();
  });

  it('stops a training with a checkpoint when its activity is paused, and does not stop it on a reset', async () => {
    const [stopped = 0] = (await steps()).slice(-1);
    await trainedTo(stopped + 3);
    const fineTune = ['--workflow-id', 'controlled', '--activity-type', 'fineTune'];
    await cluster.cli('activity', 'pause', ...fineTune);
    const again = await stoppedAt();
    await allow(again + 6);
    await cluster.cli('activity', 'unpause', ...fineTune);
    await trainedTo(again + 3);
    const before = await newestStart(openObjectStore(training));
    const attempt = async () => {
      const { raw } = await cluster.client.workflow.getHandle('controlled').describe();
      const found = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'fineTune');
      return { id: found?.activityId ?? '', startedAt: JSON.stringify(found?.lastStartedTime) };
    };
    const { id, startedAt } = await attempt();
    await cluster.cli('activity', 'reset', '--workflow-id', 'controlled', '--activity-id', id);
    await until('another attempt follows the trainer', async () => {
      const { startedAt: now } = await attempt();
      return now !== startedAt && now;
    });
    await allow(again + 12);
    await trainedTo(again + 9);
    assert.equal((await newestStart(openObjectStore(training)))?.token, before?.token);
  });

  it('stops the trainer with a checkpoint on cancel, and a new run of the same name continues from it', async () => {
    await run.cancel();
    await assert.rejects(run.result());
    await stoppedAt();
    assert.equal((await run.progress()).status, 'cancelled');
    assert.match(await ended(run.pause()), /already completed/);
    await allow(1000);
    run = await startRun(cluster.client, input());
    result = await run.result();
  });

  it('has lost no work in the end, and repeated almost none', async () => {
    assert.equal(result.iterations.length, 2);
    const all = await steps();
    assert.deepEqual(
      all,
      Array.from({ length: 150 }, (_, index) => index + 1),
      'no step is missing, none was done twice',
    );
    const trained = resultSchema.parse(JSON.parse(await readFile(join(training, 'result.json'), 'utf8')));
    assert.equal(trained.resumedFromSteps.length, 3);
    assert.equal(result.iterations[1]?.counts['judgePairs']?.['judgments'], 32 * 2 * 4);
    const twice = repeatedRequests(endpoint.requests);
    assert(twice <= interruptions * IN_FLIGHT, `${twice} requests were sent twice`);
  });

  it('keeps a pause when a stage continues as new, and ignores older signals', async () => {
    const nothing = { uri: 'none/index', sha256: '', records: 1, bytes: 0 };
    const none = {
      checkpoint: 'none',
      sha256: '',
      baseUrl: 'http://127.0.0.1:1/v1',
      servedModelName: 'none',
    };
    const input: MapShardsInput = {
      stage: 'judgePairs',
      shardInput: {
        run: { runName: 'none', configuration: nothing },
        iteration: 1,
        model: none,
        input: nothing,
      },
      concurrentShards: 1,
      timeouts: { heartbeatSeconds: 5, workerWaitSeconds: 60, fineTuneHours: 1 },
      runWorkflowId: 'none',
    };
    const state: MapShardsState = {
      done: 0,
      counts: {},
      startedAt: 0,
      pause: { revision: 5, paused: { reason: 'a test', since: 'now' } },
    };
    const stage = await cluster.client.workflow.start('mapShards', {
      workflowId: 'carried',
      taskQueue: cluster.taskQueue,
      args: [input, state],
    });
    await stage.signal('pauseChanged', { revision: 4 } satisfies PauseState);
    await sleep(2000);
    const { status, raw } = await stage.describe();
    assert.equal(status.name, 'RUNNING');
    assert.deepEqual(raw.pendingActivities, []);
    await stage.signal('pauseChanged', { revision: 6 } satisfies PauseState);
    // Its shard begins, and finds that there is no such run.
    const failure = await until('the shard has begun', async () => {
      const { raw: now } = await stage.describe();
      return now.pendingActivities?.[0]?.lastFailure?.message ?? undefined;
    });
    assert.match(failure, /does not contain the run none/);
    await stage.terminate();
  });
});
