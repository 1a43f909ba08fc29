import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { latestEpoch } from '../../src/store/claims.ts';
import { resumeShard } from '../../src/store/resume-shard.ts';
import { UnitFailed, type ResumableShard } from '../../src/store/shard-types.ts';
import { journalUri, readJournal } from '../../src/store/journal.ts';
import { SAMPLES_PER_UNIT, sampledShard, UNIT_COUNT, SHARD_URI, type Sample } from './sampled-shard.ts';
import { temporaryStore } from '../support/temporary-store.ts';

type Work = ResumableShard<{ readonly id: string }, Sample, object>['processUnit'];

describe('work on a shard', () => {
  const temporary = temporaryStore();
  const file = (name: string) => readFile(join(temporary.store.locate(SHARD_URI), name), 'utf8');
  const journal = journalUri(SHARD_URI);
  const claimed = async () => {
    while ((await latestEpoch(temporary.store.objects, `${journal}/leases`)) === 0) await sleep(5);
  };
  const withStorageErrors = async () =>
    (await readJournal<Sample>(temporary.store.objects, journal)).map(({ id }) => id);

  /** Does the work, with `before` in front of each unit's; returns what was asked for. */
  async function attempt(changes: Parameters<typeof sampledShard>[0] = {}, before?: Work): Promise<string[]> {
    const asked: string[] = [];
    const shard = sampledShard({}, (id) => asked.push(id));
    const work: Work = async (...unit) => {
      await before?.(...unit);
      await shard.processUnit(...unit);
    };
    await resumeShard(temporary.store, { ...shard, processUnit: work, ...changes }).catch(
      (error: unknown) => {
        throw Object.assign(error as Error, { asked });
      },
    );
    return asked;
  }

  /** An attempt that ends with `failure` when it comes to a unit. */
  async function failAt(unitId: string, failure = new Error('endpoint is down')): Promise<string[]> {
    const error = await attempt({}, async ({ id }) => {
      if (id === unitId) throw failure;
    }).catch((thrown: unknown) => thrown);
    assert.equal(error, failure);
    return (error as Error & { asked: string[] }).asked;
  }

  it('publishes every unit once, sorted, with its counts, and leaves no working files', async () => {
    const manifest = await resumeShard(temporary.store, sampledShard());
    const ids = (await temporary.store.readRecords<Sample>(manifest)).map(({ id }) => id);
    assert.equal(new Set(ids).size, UNIT_COUNT * SAMPLES_PER_UNIT);
    assert.deepEqual(ids, ids.toSorted());
    assert.deepEqual(manifest.counts, {
      samples: 160,
      requests: 160,
      promptTokens: 1600,
      completionTokens: 800,
    });
    assert(!(await temporary.store.exists(journal)));
  });

  it('asks nothing where the shard is complete', async () => {
    await attempt();
    assert.deepEqual(await attempt(), []);
  });

  it('refuses a shard that means something else, finished or half done', async () => {
    const other = { fingerprint: { schema: 1, seed: 43 } };
    await failAt('unit-20');
    await assert.rejects(attempt(other), { name: 'FingerprintMismatch', fields: ['seed'] });
    await attempt();
    await assert.rejects(attempt(other), { name: 'FingerprintMismatch', fields: ['seed'] });
  });

  it('asks in a retry only for what is missing', async () => {
    const first = await failAt('unit-20');
    const second = await failAt('unit-30');
    const third = await attempt();
    const all = [...first, ...second, ...third];
    assert(first.length > 0 && second.length > 0 && third.length > 0);
    assert.equal(all.length, UNIT_COUNT * SAMPLES_PER_UNIT);
    assert.equal(new Set(all).size, UNIT_COUNT * SAMPLES_PER_UNIT);
  });

  it('keeps the answers that were under way when another one failed', async () => {
    let fail: () => void = () => assert.fail('nothing to fail');
    const failing = new Promise<never>((_resolve, reject) => (fail = () => reject(new Error('one failed'))));
    const work: Work = async ({ id }, _existing, emit) => {
      if (id === 'unit-0') await failing;
      fail();
      await sleep(30);
      emit({ id: `${id}/0`, unit: id, text: 'late' });
    };
    await assert.rejects(attempt({ processUnit: work }), /one failed/);
    assert.deepEqual((await withStorageErrors()).sort(), ['unit-1/0', 'unit-2/0']);
  });

  it('starts nothing new after it was cancelled', async () => {
    const cancel = new AbortController();
    const started: string[] = [];
    const work: Work = async ({ id }) => {
      started.push(id);
      cancel.abort(new Error('cancelled'));
    };
    await assert.rejects(attempt({ processUnit: work, signal: cancel.signal }), /cancelled/);
    assert.deepEqual(started, ['unit-0']);
  });

  it('keeps the answers to requests that were sent before it was cancelled, if they come in time', async () => {
    for (const [finishSeconds, answerMilliseconds, kept] of [
      [10, 300, ['unit-0/0']],
      // The answer never comes.
      [0.01, 1e6, []],
    ] as const) {
      const cancel = new AbortController();
      const work: Work = async ({ id }, _existing, emit, { stop, abort }) => {
        cancel.abort(new Error('cancelled'));
        assert(stop.aborted);
        await sleep(answerMilliseconds, undefined, { signal: abort });
        emit({ id: `${id}/0`, unit: id, text: 'late' });
      };
      const changes = {
        processUnit: work,
        signal: cancel.signal,
        finishSeconds,
        uri: `run/${finishSeconds}`,
      };
      await assert.rejects(attempt(changes));
      const stored = await readJournal<Sample>(temporary.store.objects, journalUri(changes.uri));
      assert.deepEqual(
        stored.map(({ id }) => id),
        kept,
      );
    }
  });

  it('asks for nothing for which the attempt that it takes over from still waits', async () => {
    const asked: string[] = [];
    // Longer than an attempt that says nothing is waited for.
    let delay = 4000;
    const work: Work = async ({ id: unit }, existing, emit, { stop, abort }) => {
      for (let sample = 0; sample < SAMPLES_PER_UNIT; sample += 1) {
        const id = `${unit}/${sample}`;
        if (existing.some((record) => record.id === id)) continue;
        stop.throwIfAborted();
        asked.push(id);
        const milliseconds = delay;
        // The answers come only once the attempt was told that it is taken over.
        if (milliseconds > 0) await once(stop, 'abort');
        await sleep(milliseconds, undefined, { signal: abort });
        emit({ id, unit, text: 'slow' });
      }
    };
    // It says when it has ended, so it is not waited for so long.
    const overtaken = assert.rejects(attempt({ processUnit: work, finishSeconds: 1e6 }), {
      name: 'LeaseLost',
    });
    while (asked.length === 0) await sleep(5);
    delay = 0;
    await attempt({ processUnit: work });
    await overtaken;
    assert.equal(asked.length, UNIT_COUNT * SAMPLES_PER_UNIT);
    assert(!(await temporary.store.exists(journal)));
  });

  it('is not published by an attempt that another one has taken over', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const overtaken = attempt({}, async ({ id }) => {
      if (id === 'unit-39') await held;
    });
    const rejected = assert.rejects(overtaken, { name: 'LeaseLost' });
    await claimed();
    // The second one has begun, and not published yet, when the first one ends.
    const second = attempt({}, async () => {
      release();
      await rejected;
      assert(!(await temporary.store.exists(SHARD_URI)));
    });
    await Promise.all([rejected, second]);
    assert.equal((await file('records.jsonl')).split('\n').length, UNIT_COUNT * SAMPLES_PER_UNIT + 1);
  });

  it('is left by an attempt that another one has taken over, not worked on by both to its end', async () => {
    const asked: string[] = [];
    const overtaken = attempt({ concurrency: 1 }, async ({ id }, _existing, _emit, { stop }) => {
      asked.push(id);
      if (!stop.aborted) await once(stop, 'abort');
    });
    const rejected = assert.rejects(overtaken, { name: 'LeaseLost' });
    await claimed();
    await Promise.all([rejected, attempt({}, () => rejected)]);
    assert.deepEqual(asked, ['unit-0']);
  });

  it('tells the work that is under way when another attempt takes over, so that it sends no more requests', async () => {
    const overtaken = attempt({}, (_unit, _existing, _emit, { stop }) =>
      once(stop, 'abort').then(() => stop.throwIfAborted()),
    );
    const rejected = assert.rejects(overtaken, { name: 'LeaseLost' });
    await claimed();
    await Promise.all([rejected, attempt({}, () => rejected)]);
  });

  it('is not published by an attempt that another one has overtaken and finished', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const overtaken = attempt({}, ({ id }) => (id === 'unit-39' ? held : Promise.resolve()));
    const rejected = assert.rejects(overtaken, { name: 'LeaseLost' });
    await claimed();
    await attempt();
    const published = await file('manifest.json');
    release();
    await rejected;
    assert.equal(await file('manifest.json'), published);
  });
});

describe('units of a shard that fail for good', () => {
  const temporary = temporaryStore();
  const refuse =
    (asked: string[], ...refused: string[]): Work =>
    async ({ id }, _existing, emit) => {
      asked.push(id);
      await Promise.resolve();
      if (refused.includes(id)) throw new UnitFailed('context-length', `${id} is too long`);
      emit({ id: `${id}/0`, unit: id, text: 'good' });
    };

  it('are set aside with their reason, and the rest is published', async () => {
    const manifest = await resumeShard(
      temporary.store,
      sampledShard({ processUnit: refuse([], 'unit-3', 'unit-1') }),
    );
    assert.equal(manifest.records, UNIT_COUNT - 2);
    assert.equal(manifest.counts['failed: context-length'], 2);
    const lines = (await readFile(join(temporary.store.locate(SHARD_URI), 'skipped.jsonl'), 'utf8'))
      .trim()
      .split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      ['unit-1', 'unit-3'].map((id) => ({
        id,
        kind: 'failed',
        reason: 'context-length',
        detail: `${id} is too long`,
      })),
    );
  });

  it('are not asked again by a retry', async () => {
    const first = refuse([], 'unit-0');
    const down: Work = async (unit, ...rest) => {
      if (unit.id === 'unit-10') throw new Error('endpoint is down');
      await first(unit, ...rest);
    };
    await assert.rejects(
      resumeShard(temporary.store, sampledShard({ processUnit: down })),
      /endpoint is down/,
    );
    const asked: string[] = [];
    const manifest = await resumeShard(
      temporary.store,
      sampledShard({ processUnit: refuse(asked, 'unit-39') }),
    );
    assert(!asked.includes('unit-0'));
    assert.equal(manifest.counts['failed: context-length'], 2);
  });

  const mostFail: Work = async ({ id }) => {
    await Promise.resolve();
    throw new UnitFailed(Number(id.slice(5)) < 3 ? 'content-filter' : 'context-length', `${id} is bad`);
  };

  it('fail the shard with the commonest reasons when they are too many', async () => {
    await assert.rejects(
      resumeShard(temporary.store, sampledShard({ processUnit: mostFail, concurrency: 8 })),
      {
        name: 'TooManySkipped',
        message:
          /of 40 units failed.*share of 0\.1.*Commonest: failed: content-filter 3x, failed: context-length 2x/,
      },
    );
  });

  it('fail the shard again as long as they are too many, and are asked again because somebody may have mended the cause', async () => {
    const shard = sampledShard({ processUnit: mostFail, concurrency: UNIT_COUNT });
    await assert.rejects(resumeShard(temporary.store, shard), { name: 'TooManySkipped' });
    await assert.rejects(resumeShard(temporary.store, shard), { name: 'TooManySkipped' });
    const asked: string[] = [];
    const manifest = await resumeShard(temporary.store, sampledShard({ processUnit: refuse(asked) }));
    assert.equal(manifest.records, UNIT_COUNT);
    assert.equal(asked.length, UNIT_COUNT);
  });

  it('do not count against a share when the method drops them', async () => {
    const manifest = await resumeShard(
      temporary.store,
      sampledShard({
        processUnit: refuse([]),
        assembleResults: ({ id }) => ({ id, kind: 'dropped', reason: 'equal responses' }),
        maxSkippedShare: 0,
      }),
    );
    assert.equal(manifest.records, 0);
    assert.equal(manifest.counts['dropped: equal responses'], UNIT_COUNT);
  });
});
