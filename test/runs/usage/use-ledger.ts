/** A process that records requests and answers in the ledger of a run as fast as it can, and says when each is recorded. */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageLedgers } from '../../../src/runs/usage/usage-ledger.ts';
import { openStore } from '../../../src/store/artifact-store.ts';

const [address = ''] = process.argv.slice(2);
const ledger = new UsageLedgers(openStore(address)).forRun('run');
async function work(): Promise<never> {
  for (;;) {
    await ledger.admitRequest('seed', undefined);
    writeSync(1, 'requests\n');
    await ledger.recordTokens('seed', { promptTokens: 70, completionTokens: 30 });
    writeSync(1, 'tokens\n');
    // The reader of the pipe takes its time.
    await sleep(5);
  }
}
await Promise.all(Array.from({ length: 8 }, work));
