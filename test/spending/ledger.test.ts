import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prices as pricesSchema } from '../../src/config/prices.ts';
import { enoughFor, limitsReached } from '../../src/format/amounts.ts';
import { emptyAccount, spend } from '../../src/spending/account.ts';
import { BudgetReached, Ledgers, type Ledger } from '../../src/spending/ledger.ts';
import { sharedRuns } from '../../src/spending/shared-runs.ts';
import { temporaryStore } from '../artifacts/temporary-store.ts';

const cost = { promptTokens: 70, completionTokens: 30 };
const none = Promise.resolve(emptyAccount());

describe('the ledger of a run', () => {
  const temporary = temporaryStore();
  /** As another worker process has it. */
  const ledger = (): Ledger => new Ledgers(temporary.store).of('run');
  const folder = () => temporary.store.path('run/spending');

  async function ask(of: Ledger): Promise<void> {
    await of.admit('seed', undefined);
    await of.settle('seed', cost);
  }

  it('sums what all processes have spent, by the prices of the models that were asked', async () => {
    const [one, two] = [ledger(), ledger()];
    await ask(one);
    await two.admit('generator', undefined);
    await two.count('generator');
    await two.count('generator');
    await two.settle('generator', cost);
    await one.trained('a', 3600);
    await two.trained('a', 5400);
    await two.trained('b', 1800);
    await one.look();
    const tokens = { seed: { prompt: 1e6, completion: 0 }, generator: { prompt: 0, completion: 2e6 } };
    const prices = pricesSchema.parse({ tokens, gpuHour: 2, gpus: 4 });
    assert.deepEqual(one.spent(prices), {
      tokens: 200,
      requests: 4,
      gpuHours: 8,
      usd: 70 + 60 + 16,
    });
    assert.deepEqual(one.spent(undefined), { tokens: 200, requests: 4, usd: 0, gpuHours: 2 });
  });

  it('lets nothing through at a limit, whoever has reached it, until the limit is raised', async () => {
    const [one, two] = [ledger(), ledger()];
    await one.limit({ tokens: 250 });
    await ask(one);
    await ask(two);
    await ask(one);
    await assert.rejects(two.admit('seed', undefined), (error) => {
      assert(error instanceof BudgetReached);
      assert.match(error.message, /the budget is spent: tokens/);
      return true;
    });
    await one.limit({ tokens: 301 });
    await ask(two);
    await assert.rejects(one.admit('seed', undefined), BudgetReached);
  });

  it('counts requests that are under way, so that no more are sent than may be', async () => {
    const one = ledger();
    await one.limit({ requests: 5 });
    const admitted = await Promise.allSettled(Array.from({ length: 20 }, () => one.admit('seed', undefined)));
    assert.equal(admitted.filter(({ status }) => status === 'fulfilled').length, 5);
  });

  it('refuses only what every process finds spent, while requests are under way too', async () => {
    const [one, two] = [ledger(), ledger()];
    await one.limit({ requests: 2 });
    const admitted = [1, 2, 3].map(() => one.admit('seed', undefined));
    await assert.rejects(Promise.all(admitted), BudgetReached);
    await two.look();
    assert.deepEqual(limitsReached(two.limits, two.spent(undefined)), ['requests']);
  });

  it('does not count what it could not write down, which is not sent', async () => {
    const one = ledger();
    await one.limit({ requests: 5 });
    await rm(folder(), { recursive: true });
    await writeFile(folder(), '');
    await assert.rejects(one.admit('seed', undefined));
    assert.equal(one.spent(undefined).requests, 0);
  });

  it('hears of a first limit within a second', async () => {
    const [one, two] = [ledger(), ledger()];
    await ask(two);
    await one.limit({ tokens: 100 });
    await sleep(1100);
    await assert.rejects(two.admit('seed', undefined), BudgetReached);
  });

  it('has each answer on the disk once it is settled, and is not confused by half a file', async () => {
    await ask(ledger());
    await writeFile(join(folder(), 'half.json'), '{"models": {"se');
    const next = ledger();
    await next.look();
    assert.equal(next.spent(undefined).tokens, 100);
  });

  it('keeps an account but for its last seconds where a power cut leaves nothing of the file', async () => {
    await ask(ledger());
    const [account] = (await readdir(folder())).filter((name) => name.endsWith('.json'));
    await writeFile(join(folder(), account as string), '');
    const next = ledger();
    await next.look();
    assert.equal(next.spent(undefined).requests, 1);
  });

  it('lets nothing through where the limits are there and can not be read', async () => {
    const one = ledger();
    await one.limit({ tokens: 100 });
    await writeFile(join(folder(), 'limits.json'), '');
    for (const each of [one, ledger()])
      await assert.rejects(
        each.admit('seed', undefined),
        /limits\.json says what the run may spend, and can't/,
      );
    await writeFile(join(folder(), 'limits.json'), '{}');
    await ask(one);
  });

  it('begins once with what was spent before there was one', async () => {
    const earlier = emptyAccount();
    spend(earlier, 'seed', { requests: 1, ...cost });
    const [one, two] = [ledger(), ledger()];
    await Promise.all([one, two].map((each) => each.begin(() => Promise.resolve(earlier))));
    await one.begin(() => assert.fail('it has begun'));
    await one.look();
    assert.equal(one.spent(undefined).tokens, 100);
    assert.deepEqual(await readdir(folder()), ['earlier.json']);
  });

  it('begins with nothing where the folder of the run was removed, in a process that has worked for it before too', async () => {
    const [one, two] = [ledger(), ledger()];
    for (const each of [one, two]) await ask(each);
    const spentBefore = await readdir(folder());
    await rm(folder(), { recursive: true });
    await one.begin(() => none);
    for (const each of [one, two]) {
      await each.look();
      assert.equal(each.spent(undefined).requests, 0);
    }
    await ask(two);
    await one.look();
    assert.equal(one.spent(undefined).requests, 1);
    assert(!spentBefore.some((name) => existsSync(join(folder(), name))));
  });

  it('takes what accounts say as the whole where they are there already', async () => {
    const one = ledger();
    await ask(one);
    await one.begin(() => none.then(() => assert.fail('it is not read twice')));
  });
});

describe('limits', () => {
  it('are reached when as much is spent', () => {
    const spent = { tokens: 10, requests: 1, usd: 0.5, gpuHours: 0 };
    assert.deepEqual(limitsReached({ tokens: 10, requests: 2, usd: 0.4 }, spent), ['tokens', 'usd']);
    assert.deepEqual(limitsReached({}, spent), []);
  });

  it('are raised to what may be given: whole numbers of what is counted', () => {
    assert.equal(enoughFor('requests', 1, 3), 5);
    assert.equal(enoughFor('tokens', 1000, 1501), 2252);
    assert.equal(enoughFor('usd', 1, 3.0001), 4.5);
    assert.equal(enoughFor('gpuHours', 1e-4, 1.23456e-4), 2e-4);
  });
});

describe('work that many ask for', () => {
  it('is done once for all that ask meanwhile, after they have asked, and again after a failure', async () => {
    const begun: number[] = [];
    const run = sharedRuns(async () => {
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
