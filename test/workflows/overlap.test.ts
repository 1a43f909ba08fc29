import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import type { ConfigurationInput, Run, RunProgress } from '../../src/client/index.ts';
import { startRun } from '../../src/client/index.ts';
import type { ServedModel, ShardInput } from '../../src/api/activity-types.ts';
import type { InstantActivities } from '../../bench/simulation/instant-activities.ts';
import { withSimulation } from '../../bench/simulation/simulated-run.ts';

/** Runs with simulated activities that hold back some stages until others have begun. */
describe('a run that overlaps its stages', function () {
  this.timeout(120_000);

  type Hold = (stage: string, input: ShardInput) => Promise<void>;
  interface Simulated {
    readonly run: Run;
    readonly client: Client;
    readonly progress: (reached: (progress: RunProgress) => boolean) => Promise<RunProgress>;
  }

  const stagesOf = ({ stages }: RunProgress) => stages.map(({ name, iteration }) => `${name} ${iteration}`);
  const isRunning =
    (...names: string[]) =>
    (progress: RunProgress) =>
      names.every((name) => stagesOf(progress).includes(name));

  /** Starts a run in which `hold` is called before each shard, and calls `work` with it. */
  function simulate<T>(
    hold: Hold,
    work: (simulated: Simulated) => Promise<T>,
    configuration: Partial<ConfigurationInput> = {},
    change = (activities: InstantActivities) => activities,
  ): Promise<T> {
    const held = (activities: InstantActivities): InstantActivities => {
      const { inference } = activities;
      const holding =
        (stage: 'generatePairs' | 'judgePairs' | 'evaluateBenchmark') =>
        async (input: ShardInput): ReturnType<typeof inference.judgePairs> => {
          await hold(stage, input);
          return inference[stage](input);
        };
      return {
        ...activities,
        inference: {
          ...inference,
          generatePairs: holding('generatePairs'),
          judgePairs: holding('judgePairs'),
          evaluateBenchmark: holding('evaluateBenchmark'),
        },
      };
    };
    return withSimulation(
      {
        instructions: 200,
        iterations: configuration.iterations ?? 2,
        configuration: {
          evaluation: {
            benchmarks: [{ name: 'test', format: 'reward-bench', path: 'test.jsonl', purpose: 'test' }],
            shardSize: 3000,
          },
          ...configuration,
        },
        change: (activities) => held(change(activities)),
      },
      async (client, input) => {
        const run = await startRun(client, input);
        const progress: Simulated['progress'] = async (reached) => {
          for (;;) {
            const current = await run.progress();
            if (reached(current)) return current;
            await sleep(20);
          }
        };
        return work({ run, client, progress });
      },
    );
  }

  /** A door that stays open once it is opened. */
  function door() {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    return { open, opened };
  }

  const isOf = (stage: string, iteration: number) => (name: string, input: ShardInput) =>
    name === stage && input.iteration === iteration;

  it('evaluates the seed model while it generates pairs and judges them, and each judge while it judges for the next one', async () => {
    const doors = { generated: door(), seed: door(), first: door() };
    const hold: Hold = async (stage, input) => {
      if (isOf('generatePairs', 0)(stage, input)) await doors.generated.opened;
      if (isOf('evaluateBenchmark', 0)(stage, input)) await doors.seed.opened;
      if (isOf('evaluateBenchmark', 1)(stage, input)) await doors.first.opened;
    };
    await simulate(hold, async ({ run, progress }) => {
      await progress(isRunning('generatePairs 0', 'evaluateJudge 0'));
      doors.generated.open();
      const trained = ({ endedStages = [] }: RunProgress) =>
        endedStages.some(({ name, iteration }) => name === 'fineTune' && iteration === 1);
      // An endpoint needs none of the GPUs of the training, which so waits for no evaluation.
      const training = await progress(trained);
      assert.deepEqual(stagesOf(training), ['evaluateJudge 0']);
      assert.deepEqual(training.completedIterations, []);
      doors.seed.open();
      await progress(isRunning('evaluateJudge 1'));
      const judging = await progress(({ endedStages = [] }) =>
        endedStages.some(({ name, iteration }) => name === 'judgePairs' && iteration === 2),
      );
      assert.deepEqual(
        judging.completedIterations.map(({ iteration }) => iteration),
        [0],
      );
      doors.first.open();
      const { iterations } = await run.result();
      assert.deepEqual(
        iterations.map(({ iteration, counts }) => [iteration, counts['judgePairs']?.['judgments']]),
        [
          [0, undefined],
          [1, 6000],
          [2, 6000],
        ],
      );
      const { stages, endedStages = [] } = await run.progress();
      assert.deepEqual([stages, endedStages.filter(({ iteration }) => iteration > 2)], [[], []]);
    });
  });

  it('drops the judging for the next iteration when early stopping ends the run, and shows nothing of it', async () => {
    const evaluating = door();
    const judging = door();
    const hold: Hold = async (stage, input) => {
      if (isOf('evaluateBenchmark', 1)(stage, input)) await evaluating.opened;
      if (!isOf('judgePairs', 2)(stage, input)) return;
      judging.open();
      await untilCancelled();
    };
    await simulate(
      hold,
      async ({ run, client }) => {
        await judging.opened;
        evaluating.open();
        const result = await run.result();
        assert.deepEqual(
          [result.iterations.map(({ iteration }) => iteration), result.stoppedEarly, result.warnings],
          [[0, 1], true, []],
        );
        const { status } = await client.workflow.getHandle('simulated/2/judgePairs').describe();
        assert.equal(status.name, 'CANCELLED');
        const { stages, endedStages, counts, completedIterations } = await run.progress();
        assert.deepEqual(stages, []);
        assert.deepEqual(
          endedStages?.filter(({ iteration }) => iteration > 1),
          [],
        );
        assert.deepEqual(counts['judgePairs'], completedIterations[1]?.counts['judgePairs']);
      },
      { iterations: 5, earlyStopping: { patience: 1 } },
      (activities) => ({
        ...activities,
        workflow: {
          ...activities.workflow,
          // No judge is better than the seed model.
          scoreBenchmark: async (input) => ({
            ...(await activities.workflow.scoreBenchmark(input)),
            accuracy: 0.8,
          }),
        },
      }),
    );
  });

  it('does not fail by what it drops, and drops it when an update makes the evaluated judge the last one', async () => {
    const evaluating = door();
    let failed = false;
    const hold: Hold = async (stage, input) => {
      if (isOf('evaluateBenchmark', 1)(stage, input)) await evaluating.opened;
      if (!isOf('judgePairs', 2)(stage, input)) return;
      failed = true;
      throw ApplicationFailure.nonRetryable('the judge of the second iteration is broken');
    };
    await simulate(
      hold,
      async ({ run, progress }) => {
        await progress(() => failed);
        await run.stopAfterIteration();
        assert.equal((await run.progress()).stopAfter, 1);
        evaluating.open();
        const { iterations, stoppedEarly } = await run.result();
        assert.deepEqual([iterations.length, stoppedEarly], [2, true]);
      },
      { iterations: 3 },
    );
  });

  it('begins nothing ahead of the last iteration, nor under a budget or with prices', async () => {
    const prices = { tokens: { seed: { prompt: 1, completion: 1 } } };
    for (const [configuration, lastIteration] of [
      [{ iterations: 1 }, true],
      [{ iterations: 2, prices }, false],
      [{ iterations: 2, budget: { tokens: 1e12 } }, false],
    ] as const) {
      const asked: string[] = [];
      const hold: Hold = async (stage, { iteration }) => {
        // What is asked next may not begin before this has ended.
        if (stage === 'evaluateBenchmark') await sleep(300);
        asked.push(`${stage} ${iteration}`);
      };
      await simulate(
        hold,
        async ({ run }) => {
          await run.result();
          const order = ['generatePairs 0', 'evaluateBenchmark 0', 'judgePairs 1', 'evaluateBenchmark 1'];
          if (lastIteration) assert.deepEqual(asked.at(-1), 'evaluateBenchmark 1');
          else assert.deepEqual(asked, [...order, 'judgePairs 2', 'evaluateBenchmark 2']);
        },
        configuration,
        withBudget,
      );
    }
  });

  it('pauses all running stages, goes on with them, and cancels them', async () => {
    const held = door();
    const begun: string[] = [];
    const hold: Hold = async (stage, { iteration, shard }) => {
      if (iteration === 0) return;
      begun.push(`${stage} ${shard}`);
      await held.opened;
      if (iteration === 2 || stage === 'evaluateBenchmark') await untilCancelled();
    };
    await simulate(
      hold,
      async ({ run, client, progress }) => {
        // The seed model's evaluation is over: its stages would show beside those of the next judge.
        await progress(
          (current) =>
            current.completedIterations.length === 1 && stagesOf(current).join() === 'judgePairs 1',
        );
        held.open();
        await progress(isRunning('evaluateJudge 1', 'judgePairs 2'));
        const pausedAt = begun.length;
        await run.pause({ reason: 'the night' });
        const paused = await run.progress();
        assert.deepEqual(
          [paused.status, stagesOf(paused).sort()],
          ['paused', ['evaluateJudge 1', 'judgePairs 2']],
        );
        await run.resume();
        assert(begun.length >= pausedAt);
        await progress(isRunning('evaluateJudge 1', 'judgePairs 2'));
        await run.cancel();
        await assert.rejects(run.result());
        assert.equal((await run.progress()).status, 'cancelled');
        for (const child of ['1/evaluateJudge', '1/evaluateJudge/test', '2/judgePairs']) {
          const handle = client.workflow.getHandle(`simulated/${child}`);
          await handle.result().catch(() => undefined);
          const { status } = await handle.describe();
          // One whose parent has ended before it is terminated with it.
          assert.match(status.name, /^(CANCELLED|TERMINATED)$/, child);
        }
      },
      { iterations: 3 },
    );
  });

  for (const together of [true, false]) {
    it(`has a server that two stages lose served again once, if they notice ${together ? 'at the same time' : 'one after the other'}`, async () => {
      const served: string[] = [];
      const using = new Set<string>();
      const otherGoesOn = door();
      const hold: Hold = async (stage, { iteration, model }) => {
        const isOverlap = (stage === 'evaluateBenchmark' && iteration === 1) || iteration === 2;
        if (!isOverlap || (stage === 'evaluateBenchmark' && iteration === 2)) return;
        if (model.baseUrl !== 'http://first/v1') {
          if (stage === 'judgePairs') otherGoesOn.open();
          return;
        }
        using.add(stage);
        while (using.size < 2) await sleep(10);
        if (!together && stage === 'evaluateBenchmark') await otherGoesOn.opened;
        throw ApplicationFailure.create({
          ...{ type: 'ServerUnavailable', nonRetryable: true, message: 'the server is gone' },
        });
      };
      await simulate(
        hold,
        async ({ run }) => {
          const { iterations } = await run.result();
          assert.equal(iterations.length, 3);
          assert.deepEqual(served.filter((model) => model === 'M_1').length, 2, served.join());
        },
        { iterations: 2 },
        (activities) => withServers(activities, served),
      );
    });
  }

  for (const gpus of [2, 1]) {
    it(`${gpus === 2 ? 'trains the next judge while one is evaluated' : 'evaluates a judge before it trains the next one'} on a machine with ${gpus} GPUs for servers and trainings of one`, async () => {
      const order: string[] = [];
      const served: string[] = [];
      const trained = door();
      const hold: Hold = async (stage, input) => {
        if (!isOf('evaluateBenchmark', 1)(stage, input)) return;
        await (gpus === 2 ? trained.opened : sleep(500));
        order.push('evaluated M_1');
      };
      const withGpus = (activities: InstantActivities): InstantActivities => {
        const { machine, ...others } = withServers(activities, served);
        return {
          ...others,
          gpu: { ...others.gpu, pinWorker: async () => ({ ...(await others.gpu.pinWorker()), gpus }) },
          machine: {
            ...machine,
            serveModel: (input) => {
              order.push(`serve M_${input.iteration}`);
              return machine.serveModel(input);
            },
            stopServing: () => {
              order.push('stop');
              return Promise.resolve();
            },
            fineTune: async (input) => {
              const result = await machine.fineTune(input);
              order.push(`trained M_${input.iteration}`);
              if (input.iteration === 2) trained.open();
              return result;
            },
          },
        };
      };
      const command = ['serve', '{checkpoint}', '{port}'];
      await simulate(
        hold,
        async ({ run }) => {
          await run.result();
          const expected =
            gpus === 2
              ? ['trained M_2', 'evaluated M_1', 'stop', 'serve M_2']
              : ['evaluated M_1', 'stop', 'trained M_2', 'serve M_2'];
          assert.deepEqual(order.slice(order.indexOf('serve M_1') + 1, -1), expected);
        },
        { serving: { kind: 'command', command, gpus: 1 }, fineTuning: { gpus: 1 } },
        withGpus,
      );
    });
  }

  /** Machine activities as if a machine served the models, each at another address when it is served again. */
  function withServers(activities: InstantActivities, served: string[]): InstantActivities {
    const machineQueue = 'self-taught-evaluator-gpu-simulated';
    return {
      ...activities,
      machine: {
        ...activities.machine,
        watchServer: untilCancelled,
        serveModel: ({ model, iteration, role }): Promise<ServedModel> => {
          served.push(`M_${iteration}`);
          const isFirst = served.filter((each) => each === `M_${iteration}`).length === 1;
          return Promise.resolve({
            ...model,
            baseUrl: iteration === 1 && isFirst ? 'http://first/v1' : 'http://again/v1',
            servedModelName: 'judge',
            servedFor: { iteration, role, machineQueue, inferenceQueue: 'self-taught-evaluator-inference' },
          });
        },
      },
    };
  }

  /** Plans a run with the budget of its configuration, of which nothing is used. */
  function withBudget(activities: InstantActivities): InstantActivities {
    const { workflow } = activities;
    return {
      ...activities,
      workflow: {
        ...workflow,
        planRun: async (input) => {
          const planned = await workflow.planRun(input);
          const { budget } = input.configuration as ConfigurationInput;
          if (planned.kind !== 'planned' || budget === undefined) return planned;
          const usage = { tokens: 0, requests: 0, usd: 0, gpuHours: 0 };
          const limits = { tokens: budget.tokens ?? 1 };
          return { ...planned, plan: { ...planned.plan, budget: { limits, usage } } };
        },
      },
    };
  }

  async function untilCancelled(): Promise<void> {
    const { cancellationSignal } = Context.current();
    for (;;) {
      Context.current().heartbeat();
      await sleep(100, undefined, { signal: cancellationSignal });
    }
  }
});
