import assert from 'node:assert/strict';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { RunProgress, RunResult } from '../../src/client.ts';
import { failureMessage, startRun } from '../../src/client.ts';
import { type SimulationOptions, withSimulation } from '../../bench/simulation/simulated-run.ts';

/** A run, its activities simulated, that stands still in every iteration until it is told to go on. */
describe('a run that is steered', function () {
  this.timeout(60_000);

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

  const told = (update: string, argument?: unknown) => ({ update, argument });

  /**
   * Runs three iterations; in iteration i, while its judgments are filtered, the run is told what `during[i]` says.
   * Returns its result, and what each update was refused with.
   */
  async function steer(during: Readonly<Record<number, readonly ReturnType<typeof told>[]>>) {
    let handle: WorkflowHandle | undefined;
    const refusals: string[] = [];
    const tell = async (iteration: number) => {
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
        // Iterations end in histories of their own: what a run was told has to get over that.
        suggestContinueAsNewAt: 50,
        change: (activities) => ({
          ...activities,
          workflow: {
            ...activities.workflow,
            filterJudgments: async (input) => {
              await tell(input.iteration);
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

  const done = ({ iterations }: RunResult) => iterations.map(({ iteration }) => iteration);

  it('does as many iterations as it was told last, more or fewer', async () => {
    const { result, refusals } = await steer({
      1: [told('setIterations', { iterations: 2 })],
      2: [told('setIterations', { iterations: 4 })],
    });
    assert.deepEqual(refusals, []);
    assert.deepEqual(done(result), [0, 1, 2, 3, 4]);
    assert.equal(result.stoppedEarly, false);
  });

  it('ends with its result after the iteration that is under way, or the one that is named', async () => {
    const now = await steer({ 2: [told('stopAfterIteration')] });
    assert.deepEqual([done(now.result), now.result.stoppedEarly], [[0, 1, 2], true]);
    const named = await steer({
      1: [told('stopAfterIteration', { iteration: 1 }), told('setIterations', { iterations: 3 })],
      2: [told('stopAfterIteration', { iteration: 2 })],
    });
    assert.deepEqual(done(named.result), [0, 1, 2]);
  });

  it('refuses nonsense by name, and goes on unharmed', async () => {
    const { result, refusals } = await steer({
      2: [
        told('setIterations'),
        told('setIterations', 5),
        told('setIterations', {}),
        told('setIterations', { iteration: 5 }),
        told('setIterations', { iterations: 0 }),
        told('setIterations', { iterations: 2.5 }),
        told('setIterations', { iterations: '5' }),
        told('setIterations', { iterations: 101 }),
        told('setIterations', { iterations: 1 }),
        told('stopAfterIteration', { iterations: 2 }),
        told('stopAfterIteration', { iteration: 1 }),
        told('stopAfterIteration', { iteration: 4 }),
        told('stopAfterIteration', [2]),
      ],
    });
    const expected = [
      /^found undefined; setIterations takes an object such as \{"iterations": 5\}$/,
      /^found 5; setIterations takes an object/,
      /^iterations is missing; setIterations takes an object/,
      /^unknown field "iteration"; known: iterations$/,
      /^iterations is 0, and must be a whole number from 1 to 100$/,
      /^iterations is 2.5, and must be/,
      /^iterations is "5", and must be/,
      /^iterations is 101, and must be/,
      /^iterations is 1, but iteration 2 is under way: at least 2; to end at once, cancel the run$/,
      /^unknown field "iterations"; known: iteration$/,
      /^iteration is 1, and must be a whole number from 2, which is under way, to 3, the last one$/,
      /^iteration is 4, and must be/,
      /^found \[2\]; stopAfterIteration takes an object/,
    ];
    assert.equal(refusals.length, expected.length);
    for (const [index, pattern] of expected.entries()) assert.match(refusals[index] as string, pattern);
    assert.deepEqual(done(result), [0, 1, 2, 3]);
  });

  it('tells its configuration with every default, and where it is and for how long still', async () => {
    const seen: RunProgress[] = [];
    let configuration: { judging?: { samples?: number } } | undefined;
    let memo: Record<string, unknown> | undefined;
    let ask: (() => Promise<void>) | undefined;
    await withSimulation(
      {
        ...small,
        iterations: 2,
        change: (activities) => ({
          ...activities,
          machine: {
            ...activities.machine,
            fineTune: async (input) => {
              await ask?.();
              return activities.machine.fineTune(input);
            },
          },
        }),
      },
      async (client: Client, input) => {
        const handle = client.workflow.getHandle(input.runName);
        ask = async () => {
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
      first?.stages.map(({ name, done: steps, of, unit, loss }) => ({ name, steps, of, unit, loss })),
      [{ name: 'fineTune', steps: 50, of: 100, unit: 'steps', loss: 0.5 }],
    );
    assert.deepEqual(
      [first?.stages[0]?.stalls, first?.warnings.filter((warning) => warning.includes('warm-up'))],
      [2, ['it lies in the warm-up']],
    );
    assert.equal(first?.counts['filterJudgments']?.['trainingExamples'], 200);
    assert.equal(first?.secondsLeft, undefined);
    assert(second !== undefined && (second.secondsLeft ?? -1) >= 0, `${second?.secondsLeft} seconds left`);
    assert.equal(configuration?.judging?.samples, 15);
    assert.deepEqual(memo, {
      runName: 'simulated',
      seedModel: 'models/seed',
      report: 'file:///store/simulated/report.html',
    });
  });
});
