import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pricesSchema } from '../../../src/config/prices.ts';
import { suggestedLimit, reachedLimits } from '../../../src/api/budget.ts';
import { BudgetExhausted, UsageLedgers, type UsageLedger } from '../../../src/runs/usage/usage-ledger.ts';
import { coalesceCalls } from '../../../src/platform/coalesce-calls.ts';
import { temporaryStore } from '../../support/temporary-store.ts';

const cost = { promptTokens: 70, completionTokens: 30 };

describe('the usage ledger of a run', function () {
  this.timeout(60_000);
  const opened: UsageLedger[] = [];
  // Closes their logs, before the store is deleted.
  afterEach(() => Promise.all(opened.splice(0).map((each) => each.settleAfter(Promise.resolve()))));
  const temporary = temporaryStore();
  /** As another worker process has it. */
  function ledger(): UsageLedger {
    const made = new UsageLedgers(temporary.store).forRun('run');
    opened.push(made);
    return made;
  }
  const folder = () => temporary.store.locate('run/usage');

  async function ask(of: UsageLedger): Promise<void> {
    await of.admitRequest('seed', undefined);
    await of.recordTokens('seed', cost);
  }

  it('sums the usage of all processes, with costs by the price of each model', async () => {
    const [one, two] = [ledger(), ledger()];
    await ask(one);
    await two.admitRequest('generator', undefined);
    await two.recordRequest('generator');
    await two.recordRequest('generator');
    await two.recordTokens('generator', cost);
    await one.recordTrainerSeconds('a', 3600);
    await two.recordTrainerSeconds('a', 5400);
    await two.recordTrainerSeconds('b', 1800);
    await one.refresh();
    const tokens = { seed: { prompt: 1e6, completion: 0 }, generator: { prompt: 0, completion: 2e6 } };
    const prices = pricesSchema.parse({ tokens, gpuHour: 2, gpus: 4 });
    assert.deepEqual(one.usage(prices), {
      tokens: 200,
      requests: 4,
      gpuHours: 8,
      usd: 70 + 60 + 16,
    });
    assert.deepEqual(one.usage(undefined), { tokens: 200, requests: 4, usd: 0, gpuHours: 2 });
  });

  it('lets no request through once any process has reached a limit, until the limit is raised', async () => {
    const [one, two] = [ledger(), ledger()];
    await one.setLimits({ tokens: 250 });
    await ask(one);
    await ask(two);
    await ask(one);
    await assert.rejects(two.admitRequest('seed', undefined), (error) => {
      assert(error instanceof BudgetExhausted);
      assert.match(error.message, /the budget is used up: tokens/);
      return true;
    });
    await one.setLimits({ tokens: 301 });
    await ask(two);
    await assert.rejects(one.admitRequest('seed', undefined), BudgetExhausted);
  });

  it('counts requests in flight, so that no more requests are sent than the limit allows', async () => {
    const one = ledger();
    await one.setLimits({ requests: 5 });
    const admitted = await Promise.allSettled(
      Array.from({ length: 20 }, () => one.admitRequest('seed', undefined)),
    );
    assert.equal(admitted.filter(({ status }) => status === 'fulfilled').length, 5);
  });

  it('refuses a request only if the budget is used up for every process, also while requests are in flight', async () => {
    const [one, two] = [ledger(), ledger()];
    await one.setLimits({ requests: 2 });
    const admitted = [1, 2, 3].map(() => one.admitRequest('seed', undefined));
    await assert.rejects(Promise.all(admitted), BudgetExhausted);
    await two.refresh();
    assert.deepEqual(reachedLimits(two.limits, two.usage(undefined)), ['requests']);
  });

  it('does not count a request that it could not record, and does not send it', async () => {
    const one = ledger();
    await one.setLimits({ requests: 5 });
    await rm(folder(), { recursive: true });
    await writeFile(folder(), '');
    await assert.rejects(one.admitRequest('seed', undefined));
    assert.equal(one.usage(undefined).requests, 0);
  });

  it('notices a newly set limit within a second', async () => {
    const [one, two] = [ledger(), ledger()];
    await ask(two);
    await one.setLimits({ tokens: 100 });
    await sleep(1100);
    await assert.rejects(two.admitRequest('seed', undefined), BudgetExhausted);
  });

  it('has each answer on the disk once it is settled, and ignores a truncated file', async () => {
    await ask(ledger());
    await writeFile(join(folder(), 'half.json'), '{"models": {"se');
    const next = ledger();
    await next.refresh();
    assert.equal(next.usage(undefined).tokens, 100);
  });

  it('loses only the last seconds of usage if a power cut empties the file', async () => {
    await ask(ledger());
    const [account] = (await readdir(folder())).filter((name) => name.endsWith('.json'));
    await writeFile(join(folder(), account as string), '');
    const next = ledger();
    await next.refresh();
    assert.equal(next.usage(undefined).requests, 1);
  });

  it('says at any time what was sent and answered, also when the process is killed, and at most what is in flight more', async () => {
    const script = join(import.meta.dirname, 'use-ledger.ts');
    for (const most of [3, 40, 1500]) {
      await rm(folder(), { recursive: true, force: true });
      const child = spawn(process.execPath, [script, temporary.store.address], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      const used = { requests: 0, tokens: 0 };
      const recorded = async () => {
        const other = ledger();
        await other.refresh();
        return other.usage(undefined);
      };
      for await (const line of createInterface(child.stdout)) {
        used[line as 'requests' | 'tokens'] += line === 'tokens' ? 100 : 1;
        if (line === 'requests' && used.requests % 100 === 0)
          assert((await recorded()).requests >= used.requests);
        if (used.requests === most) child.kill('SIGKILL');
      }
      assert.deepEqual(await exited, [null, 'SIGKILL']);
      const { requests, tokens } = await recorded();
      assert(
        requests >= used.requests && requests <= used.requests + 8,
        `${requests}, ${used.requests} sent`,
      );
      assert(tokens >= used.tokens && tokens <= used.tokens + 800, `${tokens}, ${used.tokens} used`);
    }
  });

  it('appends to a log while there are no limits, of which a truncated line does not count, and ends it with the work', async () => {
    const one = ledger();
    const read = async () => {
      const other = ledger();
      await other.refresh();
      return other.usage(undefined).requests;
    };
    await one.settleAfter(Promise.all(Array.from({ length: 5 }, () => ask(one))));
    const account = (await readdir(folder())).find((name) => name.endsWith('.json')) ?? '';
    assert.match(await readFile(join(folder(), account), 'utf8'), /"requests":5/);
    await ask(one);
    assert.match(await readFile(join(folder(), account), 'utf8'), /"requests":5/);
    assert.equal(await read(), 6);
    await appendFile(join(folder(), `${account}.log`), '{"models":{"seed":{"requests":9');
    assert.equal(await read(), 6);
    await one.settleAfter(Promise.resolve());
    assert.match(await readFile(join(folder(), account), 'utf8'), /"requests":6/);
    await ask(one);
    assert.equal(await read(), 7);
    await one.setLimits({ requests: 100 });
    await ask(one);
    assert.match(await readFile(join(folder(), account), 'utf8'), /"requests":8/);
    assert.equal(await read(), 8);
  });

  it('lets no request through if the limits exist but can not be read', async () => {
    const one = ledger();
    await one.setLimits({ tokens: 100 });
    await writeFile(join(folder(), 'limits.json'), '');
    for (const each of [one, ledger()])
      await assert.rejects(
        each.admitRequest('seed', undefined),
        /limits\.json contains the limits of the run's budget, but can't/,
      );
    await writeFile(join(folder(), 'limits.json'), '{}');
    await ask(one);
  });

  it('starts from zero if the folder of the run was removed, even in a process that has worked for the run before', async () => {
    const [one, two] = [ledger(), ledger()];
    for (const each of [one, two]) await ask(each);
    const spentBefore = await readdir(folder());
    await rm(folder(), { recursive: true });
    for (const each of [one, two]) {
      await each.refresh();
      assert.equal(each.usage(undefined).requests, 0);
    }
    await ask(two);
    await one.refresh();
    assert.equal(one.usage(undefined).requests, 1);
    assert(!spentBefore.some((name) => existsSync(join(folder(), name))));
  });
});

describe('the limits of a budget', () => {
  it('are reached when the usage equals them', () => {
    const spent = { tokens: 10, requests: 1, usd: 0.5, gpuHours: 0 };
    assert.deepEqual(reachedLimits({ tokens: 10, requests: 2, usd: 0.4 }, spent), ['tokens', 'usd']);
    assert.deepEqual(reachedLimits({}, spent), []);
  });

  it('are suggested as valid values: whole numbers for units that are counted', () => {
    assert.equal(suggestedLimit('requests', 1, 3), 5);
    assert.equal(suggestedLimit('tokens', 1000, 1501), 2252);
    assert.equal(suggestedLimit('usd', 1, 3.0001), 4.5);
    assert.equal(suggestedLimit('gpuHours', 1e-4, 1.23456e-4), 2e-4);
  });
});

describe('work that several callers request at the same time', () => {
  it('is done once for all callers that wait for its start, and again after a failure', async () => {
    const begun: number[] = [];
    const run = coalesceCalls(async () => {
      begun.push(begun.length);
      await sleep(10);
      if (begun.length === 2) throw new Error('once');
      return begun.length;
    });
    const first = run();
    await sleep(1);
    const [second, third] = [run(), run()];
    assert.equal(await first, 1);
    await assert.rejects(second, /once/);
    await assert.rejects(third, /once/);
    assert.equal(await run(), 3);
  });
});
