import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failureMessage, startRun, type Run, type RunProgress, type RunResult } from '../../src/client.ts';
import { allProgress, resultSchema } from '../../src/training/job.ts';
import { newestStart } from '../../src/training/starts.ts';
import { isSameProcessAlive } from '../../src/processes/identity.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../inference/scripted-endpoint.ts';
import { startCluster, type Cluster, type WorkerProcess } from './cluster.ts';
import { askedTwice, isJudging, scriptedAnswer, scriptedConfiguration } from './scripted-run.ts';

/** One run that is controlled in every way, one after the other: what it loses adds up, and is counted at its end. */
describe('a run that is controlled', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let worker: WorkerProcess;
  let run: Run;
  let result: RunResult;
  let training: string;
  /** How long the endpoint thinks about each request, those of an evaluation aside. */
  let milliseconds = 700;
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
        afterMilliseconds: isJudging(request.body) && request.body.n === undefined ? 0 : milliseconds,
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

  const input = () =>
    scriptedConfiguration(endpoint.baseUrl, 'controlled', {
      instructions: { pool: ['embedded/instructions.jsonl'], maximum: 32, shardSize: 8 },
      inference: { shardsAtOnce: 2, requestsPerShard: 2 },
      fineTuning: {
        rounds: [
          {
            method: 'sft',
            hyperparameters: {
              epochs: 100,
              maximumSteps: 150,
              batchSize: 16,
              gradientAccumulation: 1,
              maximumLength: 1024,
              checkpointEverySteps: 40,
            },
          },
        ],
        threads: 1,
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

  /** Waits until requests no longer arrive, and none is under way. */
  async function untilQuiet(): Promise<number> {
    for (let asked = -1; asked !== endpoint.requests.length;) {
      asked = endpoint.requests.length;
      await sleep(milliseconds + 1500);
    }
    return endpoint.requests.length;
  }

  const askedMore = (than: number) =>
    until('another request', () => Promise.resolve(endpoint.requests.length > than));

  const steps = async () =>
    existsSync(join(training, 'progress.jsonl'))
      ? allProgress(await readFile(join(training, 'progress.jsonl'), 'utf8')).map(({ step }) => step)
      : [];

  const trainedTo = (step: number) =>
    until(`training step ${step}`, async () => ((await steps()).at(-1) ?? 0) >= step);

  const trainerIsAlive = async () => {
    const process = (await newestStart(training))?.process;
    return process !== undefined && (await isSameProcessAlive(process));
  };

  /** Waits until the trainer is gone, and tells its newest checkpoint's step. */
  async function stoppedAt(): Promise<number> {
    await until('the trainer is gone', async () => !(await trainerIsAlive()));
    const names = await readdir(join(training, 'checkpoints'));
    const [newest = 0] = names.map((name) => Number(name.slice('checkpoint-'.length))).sort((a, b) => b - a);
    assert(existsSync(join(training, 'checkpoints', `checkpoint-${newest}`, 'whole.json')));
    assert.equal(newest, (await steps()).at(-1), 'the checkpoint is of the last step');
    return newest;
  }

  const ended = async (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => assert.fail('it was not refused'),
      (error: unknown) => failureMessage(error),
    );

  it('drains its worker on SIGTERM, also on a second one, and goes on with the next worker', async () => {
    await during('generatePairs');
    await askedMore(8);
    const exited = once(worker.child, 'exit');
    worker.child.kill('SIGTERM');
    await sleep(200);
    worker.child.kill('SIGTERM');
    const [code] = (await exited) as [number | null];
    assert.equal(code, 0);
    interruptions += 1;
    milliseconds = 1;
    worker = cluster.startWorker();
    await during('evaluateJudge');
    milliseconds = 1200;
    await during('judgePairs');
    assert(askedTwice(endpoint.requests) <= interruptions * IN_FLIGHT);
  });

  it('pauses, unpauses and resets a shard by the commands of the Temporal CLI', async () => {
    const judging = 'controlled/1/judgePairs';
    await during('judgePairs');
    const of = (activityId: string) => ['--workflow-id', judging, '--activity-id', activityId];
    const pending = await until('two shards under way', async () => {
      const { raw } = await cluster.client.workflow.getHandle(judging).describe();
      const ids = raw.pendingActivities?.map(({ activityId }) => activityId ?? '') ?? [];
      return ids.length === 2 ? ids : undefined;
    });
    for (const id of pending) await cluster.cli('activity', 'pause', ...of(id));
    interruptions += 1;
    const asked = await untilQuiet();
    assert.equal((await run.progress()).stages.find(({ name }) => name === 'judgePairs')?.done, 0);
    for (const id of pending) await cluster.cli('activity', 'unpause', ...of(id));
    await askedMore(asked);
    for (const id of pending) await cluster.cli('activity', 'reset', ...of(id));
    interruptions += 1;
    assert(askedTwice(endpoint.requests) <= interruptions * IN_FLIGHT);
  });

  it('pauses with the reason in its progress: shards in flight end, and no other begins', async () => {
    await cluster.cli(
      ...['workflow', 'update', 'execute', '--workflow-id', 'controlled', '--name', 'pause'],
      ...['--input', '{"reason": "the disk is nearly full"}'],
    );
    const { paused, phase, stages } = await until('shards in flight have ended', async () => {
      const progress = await run.progress();
      return (progress.stages[0]?.done ?? 0) >= 2 && progress;
    });
    const asked = endpoint.requests.length;
    assert.equal(paused?.reason, 'the disk is nearly full');
    assert(Math.abs(Date.parse(paused.since) - Date.now()) < 120_000);
    assert.equal(phase, 'working');
    const [stage] = stages;
    assert.equal(stage?.name, 'judgePairs');
    assert((stage.done ?? 4) < 4, 'there is more to do');
    await sleep(1000);
    assert.equal(endpoint.requests.length, asked);
  });

  it('refuses by name what makes no sense', async () => {
    assert.match(await ended(run.pause()), /controlled is paused already, since .*the disk is nearly full/);
    assert.match(
      await ended(run.pause({ reason: 7 as unknown as string })),
      /reason is 7, and must be a text/,
    );
    assert.match(await ended(run.pause({ reason: 'x'.repeat(501) })), /has 501 characters; at most 500/);
    assert.match(
      await ended(run.pause({ why: 'so' } as unknown as { reason: string })),
      /unknown field "why"; known: reason/,
    );
    const asked = endpoint.requests.length;
    await run.resume();
    assert.match(await ended(run.resume()), /controlled isn't paused/);
    milliseconds = 1;
    await askedMore(asked);
  });

  it('stops a training with a checkpoint for a pause, and goes on from it', async () => {
    await trainedTo(5);
    await run.pause();
    await stoppedAt();
    const { paused, stages } = await run.progress();
    assert.equal(paused?.reason, 'no reason given');
    assert.deepEqual(
      stages.map(({ name }) => name),
      ['fineTune'],
    );
    await run.resume();
  });

  it('stops a training with a checkpoint when its activity is paused, and leaves it at work on a reset', async () => {
    const [stopped = 0] = (await steps()).slice(-1);
    await trainedTo(stopped + 3);
    const fineTune = ['--workflow-id', 'controlled', '--activity-type', 'fineTune'];
    await cluster.cli('activity', 'pause', ...fineTune);
    const again = await stoppedAt();
    await cluster.cli('activity', 'unpause', ...fineTune);
    await trainedTo(again + 3);
    const before = await newestStart(training);
    const [activity] =
      (await cluster.client.workflow.getHandle('controlled').describe()).raw.pendingActivities ?? [];
    await cluster.cli(
      ...['activity', 'reset', '--workflow-id', 'controlled', '--activity-id', activity?.activityId ?? ''],
    );
    await trainedTo(((await steps()).at(-1) ?? 0) + 3);
    assert.equal((await newestStart(training))?.token, before?.token);
  });

  it('stops the trainer with a checkpoint on cancel, and a new run of the same name goes on from there', async () => {
    await run.cancel();
    await assert.rejects(run.result());
    await stoppedAt();
    assert.equal((await run.progress()).phase, 'cancelled');
    assert.match(await ended(run.pause()), /already completed/);
    run = await startRun(cluster.client, input());
    result = await run.result();
  });

  it('has lost nothing in the end, and done next to nothing twice', async () => {
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
    const twice = askedTwice(endpoint.requests);
    assert(twice <= interruptions * IN_FLIGHT, `${twice} requests were sent twice`);
  });

  it('carries a pause along when a stage continues as new, and heeds only newer news of it', async () => {
    const nothing = { uri: 'none/index', sha256: '', records: 1, bytes: 0 };
    const stage = await cluster.client.workflow.start('mapShards', {
      workflowId: 'carried',
      taskQueue: cluster.taskQueue,
      args: [
        {
          stage: 'judgePairs',
          work: { run: { runName: 'none', configuration: nothing }, iteration: 1, model: {}, input: nothing },
          shardsAtOnce: 1,
          timeouts: { heartbeatSeconds: 5 },
          runWorkflowId: 'none',
        },
        {
          done: 0,
          counts: {},
          startedAt: 0,
          pause: { change: 5, paused: { reason: 'a test', since: 'now' } },
        },
      ],
    });
    await stage.signal('pauseChanged', { change: 4 });
    await sleep(2000);
    const { status, raw } = await stage.describe();
    assert.equal(status.name, 'RUNNING');
    assert.deepEqual(raw.pendingActivities, []);
    await stage.signal('pauseChanged', { change: 6 });
    // Its shard begins, and finds that there is no such run.
    const failure = await until('the shard has begun', async () => {
      const { raw: now } = await stage.describe();
      return now.pendingActivities?.[0]?.lastFailure?.message ?? undefined;
    });
    assert.match(failure, /does not hold the run none/);
    await stage.terminate();
  });
});
