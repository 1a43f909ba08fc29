import { setTimeout as sleep } from 'node:timers/promises';
import type { ShardWork, WorkRecord } from '../../src/artifacts/resume-shard.ts';
import { hashOf } from '../../src/judge/seeds.ts';

/** One of a unit's samples, whose text follows from its id alone: the same whoever asks for it. */
export interface Sample extends WorkRecord {
  readonly text: string;
}

interface Unit {
  readonly id: string;
}

export const URI = 'run/judgments/shard-00000';
export const SAMPLES = 4;
export const UNITS = 40;

/** A shard whose units have four samples each; every answer takes as long as its id says, between 0 and 10 ms. */
export function sampledShard(
  changes: Partial<ShardWork<Unit, Sample, object>> = {},
  onAsked: (id: string) => unknown = () => undefined,
): ShardWork<Unit, Sample, object> {
  return {
    uri: URI,
    fingerprint: { schema: 1, seed: 42 },
    units: Array.from({ length: UNITS }, (_, index) => ({ id: `unit-${index}` })),
    work: async ({ id: unit }, existing, emit) => {
      for (let sample = 0; sample < SAMPLES; sample += 1) {
        const id = `${unit}/${sample}`;
        if (existing.some((record) => record.id === id)) continue;
        await onAsked(id);
        await sleep(Number.parseInt(hashOf('delay', id).slice(0, 2), 16) / 25);
        emit({
          id,
          unit,
          text: `answer ${hashOf('text', id)}`,
          usage: { promptTokens: 10, completionTokens: 5 },
        });
      }
    },
    assemble: (_unit, records) => records.map(({ id, text }) => ({ id, text })),
    count: (results) => ({ samples: results.length }),
    concurrency: 3,
    maximumSetAsideShare: 0.1,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...changes,
  };
}
