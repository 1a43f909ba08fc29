import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { withSimulation } from '../../bench/simulation/simulated-run.ts';
import { toTemporalFailure } from '../../src/activities/temporal-failures.ts';
import { failureMessage, startRun, type Run, type RunProgress } from '../../src/client/index.ts';
import { reachedLimits, type BudgetLimits } from '../../src/api/budget.ts';
import { BudgetExhausted } from '../../src/runs/usage/usage-ledger.ts';

/** A run, its activities simulated, that spends 100 tokens on each shard of judgments. */
describe('the budget of a run with simulated activities', function () {
  this.timeout(300_000);
  const SHARDS = 4;

  interface Faults {
    /** True if the run reads no usage. */
    readonly isStale?: () => boolean;
    /** Shards of judgments are held until then. */
    readonly judging?: Promise<void>;
    /** Called when a shard is refused. */
    readonly onRefused?: () => void;
    /** Does what the report with this status needs. */
    readonly writeReport?: (status: string) => Promise<void>;
  }

  /** Runs two iterations with the limits; `work` steers, and may end it. Returns how often a shard was refused. */
  async function simulate(
    limits: BudgetLimits,
    work: (run: Run) => Promise<void | 'ended'>,
    { isStale = () => false, judging, onRefused, writeReport = () => Promise.resolve() }: Faults = {},
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
        // Each iteration continues as new, which the budget must survive.
        suggestContinueAsNewAt: 50,
        change: (activities) => ({
          ...activities,
          workflow: {
            ...activities.workflow,
            planRun: async (input) => {
              const planned = await activities.workflow.planRun(input);
              const budget = { limits, usage: { ...spent } };
              return planned.kind === 'planned' ? { ...planned, plan: { ...planned.plan, budget } } : planned;
            },
            readBudget: () =>
              Promise.resolve({ limits: now, usage: { ...spent, tokens: isStale() ? 0 : spent.tokens } }),
            writeReport: async (input) => {
              await writeReport(input.status);
              return activities.workflow.writeReport(input);
            },
            setBudget: ({ change }) => {
              now = Object.fromEntries(
                Object.entries({ ...now, ...change }).filter(([, limit]) => limit !== null),
              );
              return Promise.resolve({ kind: 'set', limits: now, usage: { ...spent } });
            },
          },
          inference: {
            ...activities.inference,
            judgePairs: async (input) => {
              await judging;
              if (reachedLimits(now, spent).length > 0) {
                refused += 1;
                onRefused?.();
                throw toTemporalFailure(new BudgetExhausted(['tokens']));
              }
              spent.tokens += 100;
              return { ...(await activities.inference.judgePairs(input)), usage: { ...spent } };
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
  const spentUp = (run: Run) => until(run, ({ budget }) => budget?.exhausted !== undefined);
  const refusal = (told: Promise<void>) =>
    told.then(
      () => assert.fail('it was not refused'),
      (error: unknown) => failureMessage(error),
    );

  it('pauses the run in a later iteration, also with a pause by a user, and requests nothing meanwhile', async () => {
    const refused = await simulate({ tokens: 100 * (SHARDS + 1) }, async (run) => {
      const { paused, budget, completedIterations: completed } = await spentUp(run);
      assert.equal(completed.length, 2, 'in the second iteration');
      assert.deepEqual(budget?.usage.tokens, 500);
      assert.equal(
        paused?.reason,
        'the budget is exhausted: 500 tokens of 500 tokens. To continue: self-taught-evaluator set-budget simulated --tokens 1000; ' +
          `or temporal workflow update execute --workflow-id simulated --name setBudget --input '{"tokens":1000}'`,
      );

      await run.pause({ reason: 'the night' });
      assert.match(await refusal(run.pause()), /has been paused since .*: the night/);
      await run.resume();
      assert.equal((await run.progress()).paused?.by, 'budget');
      assert.match(
        await refusal(run.resume()),
        /the run simulated was paused by its budget, not by a user; .*--name setBudget/,
      );

      await run.pause({ reason: 'the night' });
      await run.setBudget({ tokens: 600 });
      assert.equal((await run.progress()).paused?.reason, 'the night');
      await sleep(300);
      assert.equal((await run.progress()).budget?.usage.tokens, 500, 'nothing was spent');
      await run.resume();

      const again = await until(run, (progress) =>
        (progress.budget?.exhausted?.reason ?? '').includes('600'),
      );
      assert.notEqual(again.budget?.exhausted?.since, budget?.exhausted?.since);
      await run.setBudget({ tokens: null, requests: 7 });
      const { budget: last, paused: still } = await run.progress();
      assert.deepEqual([last?.limits, still], [{ requests: 7 }, undefined]);
    });
    // Three shards each time, and perhaps once more before they hear of the pause.
    assert(refused >= 5 && refused <= 12, `${refused} times refused`);
  });

  it('is rejected by the name of the field if it is invalid, and stays unchanged', async () => {
    await simulate({ tokens: 100 }, async (run) => {
      await spentUp(run);
      const set = (request: unknown) => refusal(run.setBudget(request as object));
      const expected: [unknown, RegExp][] = [
        [5, /^found 5; setBudget takes an object such as \{"tokens": 2000000\}/],
        [{}, /^no limit is given; setBudget takes an object/],
        [{ euros: 3 }, /^unknown field "euros"; known: tokens, requests, usd, gpuHours$/],
        [{ tokens: 0 }, /^tokens is 0, but must be a whole number above 0, or null for no limit$/],
        [{ tokens: 2.5 }, /^tokens is 2\.5, but must be a whole number/],
        [{ requests: '9' }, /^requests is "9", but must be a whole number/],
        [{ gpuHours: -1 }, /^gpuHours is -1, but must be a number above 0/],
        [{ usd: 3 }, /^usd needs prices that the run's configuration lacks: prices\.tokens\.seed$/],
      ];
      for (const [request, message] of expected) assert.match(await set(request), message);
      assert.deepEqual((await run.progress()).budget?.limits, { tokens: 100 });
      await run.setBudget({ tokens: null });
    });
  });

  it('can be set for a run that was started without one', async () => {
    const isSet = Promise.withResolvers<void>();
    const refused = await simulate(
      {},
      async (run) => {
        await until(run, ({ status }) => status === 'running');
        await run.setBudget({ tokens: 1 });
        isSet.resolve();
        await spentUp(run);
        await run.setBudget({ tokens: null });
        assert.equal((await run.progress()).budget, undefined);
      },
      { judging: isSet.promise },
    );
    assert(refused > 0);
  });

  it('is checked less and less often if the run does not see an exhausted budget that the workers see', async () => {
    let isStale = true;
    let refusals = 0;
    const refused = await simulate(
      { tokens: 100 },
      async (run) => {
        while (refusals === 0) await sleep(20);
        await sleep(2500);
        // Three shards are refused each time.
        while (refusals < 6) await sleep(20);
        isStale = false;
        await spentUp(run);
        await run.setBudget({ tokens: null });
      },
      { isStale: () => isStale, onRefused: () => (refusals += 1) },
    );
    assert(refused >= 6 && refused <= 12, `${refused} times refused`);
  });

  it('can be changed while reports are slow, and a cancelled run ends even if its report can not be written', async () => {
    const begun: string[] = [];
    const held = Promise.withResolvers<void>();
    await simulate(
      { tokens: 100 },
      async (run) => {
        await spentUp(run);
        await run.setBudget({ tokens: 200 });
        await until(run, ({ budget }) => (budget?.exhausted?.reason ?? '').includes('200'));
        await run.cancel();
        await until(run, ({ status }) => status === 'cancelled');
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
