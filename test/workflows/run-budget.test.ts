import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { withSimulation } from '../../bench/simulation/simulated-run.ts';
import { asFailure } from '../../src/activities/failures.ts';
import { failureMessage, startRun, type Run, type RunProgress } from '../../src/client.ts';
import { limitsReached, type Limits } from '../../src/format/amounts.ts';
import { BudgetReached } from '../../src/spending/ledger.ts';

/** A run, its activities simulated, that spends 100 tokens on each shard of judgments. */
describe('the budget of a run that is steered', function () {
  this.timeout(300_000);
  const SHARDS = 4;

  interface Faults {
    /** Whether the run's look at what is spent finds nothing. */
    readonly isStale?: () => boolean;
    /** Does what the report with this status needs. */
    readonly writeReport?: (status: string) => Promise<void>;
  }

  /** Runs two iterations with the limits; `work` steers, and may end it. Returns how often a shard was refused. */
  async function simulate(
    limits: Limits,
    work: (run: Run) => Promise<void | 'ended'>,
    { isStale = () => false, writeReport = () => Promise.resolve() }: Faults = {},
  ): Promise<number> {
    let now = limits;
    const spent = { tokens: 0, requests: 0, usd: 0, gpuHours: 0 };
    let refused = 0;
    await withSimulation(
      {
        instructions: SHARDS * 200,
        iterations: 2,
        configuration: {
          evaluation: {
            benchmarks: [{ name: 'test', format: 'reward-bench', path: 'test.jsonl', purpose: 'test' }],
            shardSize: 3000,
          },
        },
        // Iterations end in histories of their own: the budget has to get over that.
        suggestContinueAsNewAt: 50,
        change: (activities) => ({
          ...activities,
          workflow: {
            ...activities.workflow,
            planRun: async (input) => {
              const planned = await activities.workflow.planRun(input);
              const budget = { limits, spent: { ...spent } };
              return planned.kind === 'planned' ? { ...planned, plan: { ...planned.plan, budget } } : planned;
            },
            readBudget: () =>
              Promise.resolve({ limits: now, spent: { ...spent, tokens: isStale() ? 0 : spent.tokens } }),
            writeReport: async (input) => {
              await writeReport(input.status);
              return activities.workflow.writeReport(input);
            },
            setBudget: ({ change }) => {
              now = Object.fromEntries(
                Object.entries({ ...now, ...change }).filter(([, limit]) => limit !== null),
              );
              return Promise.resolve({ kind: 'set', limits: now, spent: { ...spent } });
            },
          },
          inference: {
            ...activities.inference,
            judgePairs: async (input) => {
              if (limitsReached(now, spent).length > 0) {
                refused += 1;
                throw asFailure(new BudgetReached(['tokens']));
              }
              spent.tokens += 100;
              return { ...(await activities.inference.judgePairs(input)), spent: { ...spent } };
            },
          },
        }),
      },
      async (client: Client, input) => {
        const run = await startRun(client, input);
        if ((await work(run)) === 'ended') return;
        const { iterations } = await run.result();
        assert.equal(iterations.length, 3);
      },
    );
    return refused;
  }

  async function until(run: Run, reached: (progress: RunProgress) => boolean): Promise<RunProgress> {
    for (;;) {
      const progress = await run.progress();
      if (reached(progress)) return progress;
      await sleep(20);
    }
  }
  const spentUp = (run: Run) => until(run, ({ budget }) => budget?.reached !== undefined);
  const refusal = (told: Promise<void>) =>
    told.then(
      () => assert.fail('it was not refused'),
      (error: unknown) => failureMessage(error),
    );

  it('pauses it in the iteration after the one that it began in, for a person too, and asks nothing meanwhile', async () => {
    const refused = await simulate({ tokens: 100 * (SHARDS + 1) }, async (run) => {
      const { paused, budget, completed } = await spentUp(run);
      assert.equal(completed.length, 2, 'in the second iteration');
      assert.deepEqual(budget?.spent.tokens, 500);
      assert.equal(
        paused?.reason,
        'the budget is spent, 500 tokens of 500 tokens. To go on: self-taught-evaluator set-budget simulated --tokens 1000; ' +
          `or temporal workflow update execute --workflow-id simulated --name setBudget --input '{"tokens":1000}'`,
      );

      await run.pause({ reason: 'the night' });
      assert.match(await refusal(run.pause()), /is paused already, since .*: the night/);
      await run.resume();
      assert.equal((await run.progress()).paused?.by, 'budget');
      assert.match(await refusal(run.resume()), /nobody has paused the run simulated, .*--name setBudget/);

      await run.pause({ reason: 'the night' });
      await run.setBudget({ tokens: 600 });
      assert.equal((await run.progress()).paused?.reason, 'the night');
      await sleep(300);
      assert.equal((await run.progress()).budget?.spent.tokens, 500, 'nothing was spent');
      await run.resume();

      const again = await until(run, (progress) => (progress.budget?.reached?.reason ?? '').includes('600'));
      assert.notEqual(again.budget?.reached?.since, budget?.reached?.since);
      await run.setBudget({ tokens: null, requests: 7 });
      const { budget: last, paused: still } = await run.progress();
      assert.deepEqual([last?.limits, still], [{ requests: 7 }, undefined]);
    });
    // Three shards each time, and perhaps once more before they hear of the pause.
    assert(refused >= 5 && refused <= 12, `${refused} times refused`);
  });

  it('is refused by name where it is nonsense, and left as it was', async () => {
    await simulate({ tokens: 100 }, async (run) => {
      await spentUp(run);
      const set = (request: unknown) => refusal(run.setBudget(request as object));
      const expected: [unknown, RegExp][] = [
        [5, /^found 5; setBudget takes an object such as \{"tokens": 2000000\}/],
        [{}, /^nothing is given; setBudget takes an object/],
        [{ euros: 3 }, /^unknown field "euros"; known: tokens, requests, usd, gpuHours$/],
        [{ tokens: 0 }, /^tokens is 0, and must be a whole number above 0, or null for no limit$/],
        [{ tokens: 2.5 }, /^tokens is 2\.5, and must be a whole number/],
        [{ requests: '9' }, /^requests is "9", and must be a whole number/],
        [{ gpuHours: -1 }, /^gpuHours is -1, and must be a number above 0/],
        [{ usd: 3 }, /^usd needs prices that the run's configuration lacks: prices\.tokens\.seed$/],
      ];
      for (const [request, message] of expected) assert.match(await set(request), message);
      assert.deepEqual((await run.progress()).budget?.limits, { tokens: 100 });
      await run.setBudget({ tokens: null });
    });
  });

  it('can be given to a run that was started without one', async () => {
    const refused = await simulate({}, async (run) => {
      await until(run, ({ phase }) => phase === 'working');
      await run.setBudget({ tokens: 1 });
      await spentUp(run);
      await run.setBudget({ tokens: null });
      assert.equal((await run.progress()).budget, undefined);
    });
    assert(refused > 0);
  });

  it('is tried ever more rarely where the run does not see yet what the workers see', async () => {
    let isStale = true;
    const refused = await simulate(
      { tokens: 100 },
      async (run) => {
        await until(run, ({ budget }) => budget?.spent.tokens === 100);
        await sleep(2500);
        isStale = false;
        await spentUp(run);
        await run.setBudget({ tokens: null });
      },
      { isStale: () => isStale },
    );
    assert(refused >= 4 && refused <= 12, `${refused} times refused`);
  });

  it('is changed while reports are slow, and a run that is cancelled ends though it can not write its own', async () => {
    const begun: string[] = [];
    const held = Promise.withResolvers<void>();
    await simulate(
      { tokens: 100 },
      async (run) => {
        await spentUp(run);
        await run.setBudget({ tokens: 200 });
        await until(run, ({ budget }) => (budget?.reached?.reason ?? '').includes('200'));
        await run.cancel();
        await until(run, ({ phase }) => phase === 'cancelled');
        assert.match(await refusal(run.setBudget({ tokens: 900 })), /has ended \(cancelled\)/);
        held.resolve();
        await assert.rejects(run.result());
        assert.deepEqual(begun.slice(begun.indexOf('paused')), [
          ...['paused', 'running', 'paused'],
          ...['cancelled', 'cancelled', 'cancelled'],
        ]);
        return 'ended';
      },
      {
        async writeReport(status) {
          begun.push(status);
          if (status === 'paused') await held.promise;
          if (status === 'cancelled') throw new Error('the disk is full');
        },
      },
    );
  });
});
