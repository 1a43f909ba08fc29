import assert from 'node:assert/strict';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunProgress, RunResult } from '../../src/client/index.ts';
import { failureMessage, startRun } from '../../src/client/index.ts';
import { type SimulationOptions, withSimulation } from '../../bench/simulation/simulated-run.ts';

/** A run with simulated activities that stops in every iteration until it is allowed to continue. */
describe('a run that is changed by updates', function () {
  this.timeout(180_000);

  /** One shard a stage, one benchmark. */
  const small = {
    instructions: 200,
    configuration: {
      evaluation: {
        benchmarks: [{ name: 'test', format: 'reward-bench', path: 'test.jsonl', purpose: 'test' }],
        shardSize: 3000,
      },
    },
  } satisfies Partial<SimulationOptions>;

  const updateRequest = (update: string, argument?: unknown) => ({ update, argument });

  /**
   * Runs three iterations; in iteration i, while its judgments are filtered, `during[i]` sends its updates.
   * Returns its result, and what each update was refused with.
   */
  async function runWithUpdates(
    during: Readonly<Record<number, readonly ReturnType<typeof updateRequest>[]>>,
  ) {
    let handle: WorkflowHandle | undefined;
    const refusals: string[] = [];
    const sendUpdates = async (iteration: number) => {
      await untilCurrent(handle!, iteration);
      for (const { update, argument } of during[iteration] ?? []) {
        const answered =
          argument === undefined
            ? handle?.executeUpdate(update)
            : handle?.executeUpdate(update, { args: [argument] });
        await answered?.catch((error: unknown) => {
          refusals.push(failureMessage(error));
        });
      }
    };
    const result = await withSimulation(
      {
        ...small,
        iterations: 3,
        // Each iteration continues as new, which the updates must survive.
        suggestContinueAsNewAt: 50,
        change: (activities) => ({
          ...activities,
          workflow: {
            ...activities.workflow,
            filterJudgments: async (input) => {
              await sendUpdates(input.iteration);
              return activities.workflow.filterJudgments(input);
            },
          },
        }),
      },
      async (client: Client, input) => {
        handle = client.workflow.getHandle(input.runName);
        return (await startRun(client, input)).result();
      },
    );
    return { result, refusals };
  }

  /** An iteration begins while the judge before it is evaluated: until then that one is the current one. */
  async function untilCurrent(handle: WorkflowHandle, iteration: number): Promise<void> {
    const isCurrent = ({ completedIterations, stages }: RunProgress) =>
      completedIterations.length === iteration && stages.every((stage) => stage.iteration === iteration);
    while (!isCurrent(await handle.query<RunProgress>('progress'))) await sleep(20);
  }

  const done = ({ iterations }: RunResult) => iterations.map(({ iteration }) => iteration);

  it('runs the most recently requested number of iterations, more or fewer', async () => {
    const { result, refusals } = await runWithUpdates({
      1: [updateRequest('setIterations', { iterations: 2 })],
      2: [updateRequest('setIterations', { iterations: 4 })],
    });
    assert.deepEqual(refusals, []);
    assert.deepEqual(done(result), [0, 1, 2, 3, 4]);
    assert.equal(result.stoppedEarly, false);
  });

  it('ends with its result after the current iteration, or after a named one', async () => {
    const now = await runWithUpdates({ 2: [updateRequest('stopAfterIteration')] });
    assert.deepEqual([done(now.result), now.result.stoppedEarly], [[0, 1, 2], true]);
    const named = await runWithUpdates({
      1: [
        updateRequest('stopAfterIteration', { iteration: 1 }),
        updateRequest('setIterations', { iterations: 3 }),
      ],
      2: [updateRequest('stopAfterIteration', { iteration: 2 })],
    });
    assert.deepEqual(done(named.result), [0, 1, 2]);
  });

  it('rejects invalid updates with the name of the field, and continues', async () => {
    const { result, refusals } = await runWithUpdates({
      2: [
        updateRequest('setIterations'),
        updateRequest('setIterations', 5),
        updateRequest('setIterations', {}),
        updateRequest('setIterations', { iteration: 5 }),
        updateRequest('setIterations', { iterations: 0 }),
        updateRequest('setIterations', { iterations: 2.5 }),
        updateRequest('setIterations', { iterations: '5' }),
        updateRequest('setIterations', { iterations: 101 }),
        updateRequest('setIterations', { iterations: 1 }),
        updateRequest('stopAfterIteration', { iterations: 2 }),
        updateRequest('stopAfterIteration', { iteration: 1 }),
        updateRequest('stopAfterIteration', { iteration: 4 }),
        updateRequest('stopAfterIteration', [2]),
      ],
    });
    const expected = [
      /^found undefined; setIterations takes an object such as \{"iterations": 5\}$/,
      /^found 5; setIterations takes an object/,
      /^iterations is missing; setIterations takes an object/,
      /^unknown field "iteration"; known: iterations$/,
      /^iterations is 0, but must be a whole number from 1 to 100$/,
      /^iterations is 2.5, but must be/,
      /^iterations is "5", but must be/,
      /^iterations is 101, but must be/,
      /^iterations is 1, but iteration 2 is running: give at least 2; to end at once, cancel the run$/,
      /^unknown field "iterations"; known: iteration$/,
      /^iteration is 1, but must be a whole number from 2, the current iteration, to 3, the last one$/,
      /^iteration is 4, but must be/,
      /^found \[2\]; stopAfterIteration takes an object/,
    ];
    assert.equal(refusals.length, expected.length);
    for (const [index, pattern] of expected.entries()) assert.match(refusals[index] as string, pattern);
    assert.deepEqual(done(result), [0, 1, 2, 3]);
  });

  it('answers queries for its configuration with every default, its progress and the remaining time', async () => {
    const seen: RunProgress[] = [];
    let configuration: { judging?: { samples?: number } } | undefined;
    let memo: Record<string, unknown> | undefined;
    let ask: ((iteration: number) => Promise<void>) | undefined;
    await withSimulation(
      {
        ...small,
        iterations: 2,
        change: (activities) => ({
          ...activities,
          machine: {
            ...activities.machine,
            fineTune: async (input) => {
              await ask?.(input.iteration);
              return activities.machine.fineTune(input);
            },
          },
        }),
      },
      async (client: Client, input) => {
        const handle = client.workflow.getHandle(input.runName);
        ask = async (iteration) => {
          await untilCurrent(handle, iteration);
          // Nonsense is left alone.
          await handle.signal('trainingStep', 'half done');
          await handle.signal('trainingStep', { iteration: 1, step: 70 });
          await handle.signal('shardProgress', null);
          await handle.signal('trainingNotice', { iteration: 1, stalls: 1, warnings: 'none' });
          await handle.signal('trainingNotice', {
            iteration: 1,
            stalls: 2,
            warnings: ['it lies in the warm-up'],
          });
          await handle.signal('trainingStep', {
            iteration: 1,
            step: 50,
            totalSteps: 100,
            loss: 0.5,
            etaSeconds: 60,
          });
          seen.push(await handle.query<RunProgress>('progress'));
          configuration = await run.configuration();
          await run.setIterations(3);
          await run.stopAfterIteration(2);
        };
        const run = await startRun(client, input);
        await run.result();
        ({ memo } = await handle.describe());
        await assert.rejects(run.setIterations(9), { name: 'RunEnded', message: /has ended \(completed\)/ });
      },
    );
    const [first, second] = seen;
    assert.deepEqual(
      first?.stages.map(({ name, done: steps, total: of, unit, loss }) => ({ name, steps, of, unit, loss })),
      [{ name: 'fineTune', steps: 50, of: 100, unit: 'steps', loss: 0.5 }],
    );
    assert.deepEqual(
      [first?.stages[0]?.stalls, first?.warnings.filter((warning) => warning.includes('warm-up'))],
      [2, ['it lies in the warm-up']],
    );
    assert.equal(first?.counts['filterJudgments']?.['trainingExamples'], 200);
    assert.equal(first?.remainingSeconds, undefined);
    assert(
      second !== undefined && (second.remainingSeconds ?? -1) >= 0,
      `${second?.remainingSeconds} seconds left`,
    );
    assert.equal(configuration?.judging?.samples, 15);
    assert.deepEqual(memo, {
      runName: 'simulated',
      seedModel: 'models/seed',
      report: 'file:///store/simulated/report.html',
    });
  });
});
