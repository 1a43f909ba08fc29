/** A small run whose every model is a scripted endpoint; training is real. */
import type { ConfigurationInput } from '../../src/client.ts';
import { hashOf } from '../../src/judge/seeds.ts';
import type { RecordedRequest } from '../inference/scripted-endpoint.ts';

/** Writes responses and similar instructions, and argues for a side that depends on the seed. */
export function scriptedAnswer({ body }: RecordedRequest): string[] {
  const prompt = body.messages.map(({ content }) => content).join('\n');
  return Array.from({ length: body.n ?? 1 }, (_, index) => {
    const drawn = hashOf(prompt, body.seed ?? 0, index);
    if (!isJudging(body)) return `word ${drawn}`;
    return `reasons . [[${drawn < '8' ? 'A' : 'B'}]]`;
  });
}

export function isJudging({ messages }: RecordedRequest['body']): boolean {
  return messages.some(({ content }) => content.includes("Assistant A's Answer"));
}

export function scriptedConfiguration(
  baseUrl: string,
  runName: string,
  changes: Partial<ConfigurationInput> = {},
): ConfigurationInput {
  return {
    runName,
    iterations: 1,
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl, servedName: 'judge-{iteration}' },
    instructions: { pool: ['embedded/instructions.jsonl'], maximum: 40, shardSize: 10 },
    pairs: { calls: 'two' },
    judging: { samples: 4 },
    evaluation: {
      benchmarks: [
        {
          name: 'test',
          format: 'reward-bench',
          path: 'embedded/benchmark/validation.jsonl',
          purpose: 'test',
        },
      ],
    },
    fineTuning: {
      rounds: [
        {
          method: 'sft',
          hyperparameters: { epochs: 1, batchSize: 16, gradientAccumulation: 1, maximumLength: 1024 },
        },
      ],
      threads: 1,
    },
    timeouts: { heartbeatSeconds: 5 },
    ...changes,
  };
}

/** How many requests were sent although the same one had been sent before; canary requests aside. */
export function askedTwice(requests: readonly RecordedRequest[]): number {
  const asked = requests
    .filter(({ body }) => body.max_tokens !== 1)
    .map(({ body }) => JSON.stringify([body.model, body.messages, body.seed, body.n]));
  return asked.length - new Set(asked).size;
}
