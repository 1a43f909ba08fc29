import { setTimeout as sleep } from 'node:timers/promises';
import type { ResumableShard, ShardRecord } from '../../src/store/shard-types.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';

/** One of a unit's samples, whose text follows from its id alone: the same whoever asks for it. */
export interface Sample extends ShardRecord {
  readonly text: string;
}

interface Unit {
  readonly id: string;
}

export const SHARD_URI = 'run/judgments/shard-00000';
export const SAMPLES_PER_UNIT = 4;
export const UNIT_COUNT = 40;

/** A shard whose units have four samples each; every answer takes as long as its id says, between 0 and 10 ms. */
export function sampledShard(
  changes: Partial<ResumableShard<Unit, Sample, object>> = {},
  onAsked: (id: string) => unknown = () => undefined,
): ResumableShard<Unit, Sample, object> {
  return {
    uri: SHARD_URI,
    fingerprint: { schema: 1, seed: 42 },
    units: Array.from({ length: UNIT_COUNT }, (_, index) => ({ id: `unit-${index}` })),
    processUnit: async ({ id: unit }, existing, emit) => {
      for (let sample = 0; sample < SAMPLES_PER_UNIT; sample += 1) {
        const id = `${unit}/${sample}`;
        if (existing.some((record) => record.id === id)) continue;
        await onAsked(id);
        await sleep(Number.parseInt(stableHash('delay', id).slice(0, 2), 16) / 25);
        emit({
          id,
          unit,
          text: `answer ${stableHash('text', id)}`,
          usage: { promptTokens: 10, completionTokens: 5 },
        });
      }
    },
    assembleResults: (_unit, records) => records.map(({ id, text }) => ({ id, text })),
    countResults: (results) => ({ samples: results.length }),
    concurrency: 3,
    maxSkippedShare: 0.1,
    signal: new AbortController().signal,
    finishSeconds: 0,
    onProgress: () => undefined,
    ...changes,
  };
}
