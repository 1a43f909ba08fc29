import assert from 'node:assert/strict';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SegmentWriter } from '../../src/artifacts/segments.ts';
import { amountsOf } from '../../src/spending/account.ts';
import { earlierSpending } from '../../src/spending/earlier-spending.ts';
import { temporaryStore } from '../artifacts/temporary-store.ts';

describe('what a run has spent by its artifacts', () => {
  const temporary = temporaryStore();
  const models = { seed: { checkpoint: 'seed' }, generator: { checkpoint: 'generator' } };

  const publish = (uri: string, promptTokens: number, requests?: number) =>
    temporary.store.publish(uri, {
      fingerprint: { uri },
      records: [],
      counts: { promptTokens, completionTokens: 1, ...(requests === undefined ? {} : { requests }) },
    });

  it('is what finished shards count, what stands in the segments of others, and the time of trainers that have ended', async () => {
    const { store } = temporary;
    await publish('run/pairs/shard-00000', 100, 3);
    await publish('run/pairs/index', 100, 3);
    await publish('run/iteration-1/judgments/shard-00000', 10);
    await publish('run/iteration-1/evaluation/held-out/shard-00000', 1000, 7);
    const segment = await SegmentWriter.create(store.path('run/iteration-1/judgments/shard-00001.work'));
    segment.append({ id: 'a', unit: 'u', usage: { promptTokens: 20, completionTokens: 5 } });
    segment.append({ id: 'b', unit: 'u' });
    segment.append({ failed: { id: 'v', kind: 'failed', reason: 'context-length' } });
    await segment.close();
    const starts = store.path('run/iteration-1/training/starts');
    await mkdir(join(starts, 'token'), { recursive: true });
    await writeFile(join(starts, '000001.json'), '{"token": "token"}');
    for (const [name, second] of Object.entries({ 'process.json': 1000, 'exit.json': 1090 })) {
      await writeFile(join(starts, 'token', name), '{}');
      await utimes(join(starts, 'token', name), second, second);
    }

    const account = await earlierSpending(store, { runName: 'run', models });
    assert.deepEqual(account, {
      models: {
        generator: { requests: 3, promptTokens: 100, completionTokens: 1 },
        seed: { requests: 8, promptTokens: 1030, completionTokens: 7 },
        firstJudge: { requests: 0, promptTokens: 0, completionTokens: 0 },
      },
      trainers: { token: 90 },
    });
    assert.deepEqual(amountsOf(account, undefined), {
      tokens: 1138,
      requests: 11,
      usd: 0,
      gpuHours: 0.025,
    });
  });

  it('is nothing for a run that begins', async () => {
    const { trainers } = await earlierSpending(temporary.store, { runName: 'new', models });
    assert.deepEqual(trainers, {});
  });
});
