import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BudgetExhausted, type UsageLedger, UsageLedgers } from '../../../src/runs/usage/usage-ledger.ts';
import { openStore } from '../../../src/store/artifact-store.ts';
import { startFaultyProxy } from '../../support/faulty-proxy.ts';
import { useBucket } from '../../support/use-bucket.ts';

const AT_ONCE = 16;
const COST = { promptTokens: 70, completionTokens: 30 };

describe('the usage ledger of a run in a bucket', function () {
  this.timeout(600_000);
  const bucket = useBucket();
  let address: string;
  beforeEach(() => (address = bucket.newAddress()));
  /** As another worker process has it. */
  const ledger = (): UsageLedger => new UsageLedgers(openStore(address)).forRun('run');

  /** What another process reads. */
  async function recorded() {
    const other = ledger();
    await other.refresh();
    return other.usage(undefined);
  }

  /** Sends requests until `limit` or so many are answered, many at a time. */
  async function ask(of: UsageLedger, most: number): Promise<number> {
    let begun = 0;
    let answered = 0;
    const work = async (): Promise<void> => {
      while (begun < most) {
        begun += 1;
        await of.admitRequest('seed', undefined);
        await of.recordTokens('seed', COST);
        answered += 1;
      }
    };
    const ends = await of.settleAfter(Promise.allSettled(Array.from({ length: AT_ONCE }, work)));
    for (const end of ends)
      if (end.status === 'rejected') assert(end.reason instanceof BudgetExhausted, String(end.reason));
    return answered;
  }

  it('is written far less often than requests are sent, and is exact when the work has ended', async () => {
    const proxy = await startFaultyProxy(process.env['AWS_ENDPOINT_URL_S3'] ?? '');
    let writes = 0;
    proxy.breaks(({ method }) => {
      if (method === 'PUT') writes += 1;
      return undefined;
    });
    process.env['AWS_ENDPOINT_URL_S3'] = proxy.url;
    try {
      assert.equal(await ask(ledger(), 5000), 5000);
      assert(writes < 500, `${writes} writes`);
      assert.deepEqual(await recorded(), { requests: 5000, tokens: 500_000, usd: 0, gpuHours: 0 });
    } finally {
      await proxy.close();
    }
  });

  it('says at no time less than was used, also when the process is killed, and at most a reserve more', async () => {
    const script = join(import.meta.dirname, 'use-ledger.ts');
    for (const most of [3, 40, 1500]) {
      address = bucket.newAddress();
      const child = spawn(process.execPath, [script, address], { stdio: ['ignore', 'pipe', 'inherit'] });
      const exited = once(child, 'exit');
      const used = { requests: 0, tokens: 0 };
      for await (const line of createInterface(child.stdout)) {
        used[line as 'requests' | 'tokens'] +=
          line === 'tokens' ? COST.promptTokens + COST.completionTokens : 1;
        if (used.requests === most) child.kill('SIGKILL');
      }
      assert.deepEqual(await exited, [null, 'SIGKILL']);
      const { requests, tokens } = await recorded();
      assert(requests >= used.requests, `${requests} recorded, ${used.requests} sent`);
      assert(tokens >= used.tokens, `${tokens} recorded, ${used.tokens} used`);
      // Two seconds at the rate of the last one, in which all of them may have been sent.
      assert(requests <= 3 * used.requests + 16, `${requests} recorded, ${used.requests} sent`);
    }
  });

  it('lets no more requests through than a limit allows, though several processes reserve at the same time', async () => {
    await ledger().setLimits({ requests: 300 });
    const processes = [ledger(), ledger(), ledger()];
    const answered = await Promise.all(processes.map((each) => ask(each, 1000)));
    const total = answered.reduce((sum, each) => sum + each, 0);
    // The two others may have as many in flight as they send at once before they see each other's, as in a folder.
    assert(total >= 300 && total <= 300 + 2 * AT_ONCE, answered.join());
    assert.equal((await recorded()).requests, total);
  });

  it('reserves no tokens above a limit', async () => {
    const [one, two] = [ledger(), ledger()];
    await one.setLimits({ tokens: 10_000 });
    await one.admitRequest('seed', undefined);
    await one.recordTokens('seed', COST);
    for (let count = 0; count < 90; count += 1) {
      await one.admitRequest('seed', undefined);
      await one.recordTokens('seed', COST);
      assert(
        (await recorded()).tokens < 10_000,
        'the reserve of one process refuses the requests of the others',
      );
    }
    await two.admitRequest('seed', undefined);
  });

  it('applies a new limit while requests are sent from a reserve', async () => {
    const one = ledger();
    const asking = ask(one, 1_000_000);
    while ((await recorded()).requests < 100);
    await ledger().setLimits({ requests: 100 });
    assert((await asking) >= 100);
  });
});
