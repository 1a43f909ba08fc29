/** A small run with a scripted endpoint for all models and a real training. */
import type { ConfigurationInput } from '../../src/client/index.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import type { RecordedRequest } from './scripted-endpoint.ts';
import { isCanary } from './scripted-endpoint.ts';

/** Generates responses and similar instructions, and verdicts that depend on the seed. */
export function scriptedAnswer({ body }: RecordedRequest): string[] {
  const prompt = body.messages.map(({ content }) => content).join('\n');
  return Array.from({ length: body.n ?? 1 }, (_, index) => {
    const drawn = stableHash(prompt, body.seed ?? 0, index);
    if (!isJudgeRequest(body)) return `word ${drawn}`;
    return `reasons . [[${drawn < '8' ? 'A' : 'B'}]]`;
  });
}

export function isJudgeRequest({ messages }: RecordedRequest['body']): boolean {
  return messages.some(({ content }) => content.includes("Assistant A's Answer"));
}

/** The embedded model's chat template leaves out system messages, so this prompt has none. */
export const SCRIPTED_JUDGE_PROMPT = 'test/support/prompts/judge';

export function scriptedConfiguration(
  baseUrl: string,
  runName: string,
  changes: Partial<ConfigurationInput> = {},
): ConfigurationInput {
  return {
    runName,
    iterations: 1,
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl, servedModelName: 'judge-{iteration}' },
    instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 40, shardSize: 10 },
    pairs: { calls: 'two' },
    judging: { samples: 4, prompt: SCRIPTED_JUDGE_PROMPT },
    evaluation: {
      prompt: SCRIPTED_JUDGE_PROMPT,
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
          hyperparameters: {
            epochs: 1,
            perDeviceBatchSize: 16,
            gradientAccumulationSteps: 1,
            maxLength: 1024,
          },
        },
      ],
      threads: 1,
    },
    timeouts: { heartbeatSeconds: 5 },
    ...changes,
  };
}

/** The number of repeated requests, without canary requests. */
export function repeatedRequests(requests: readonly RecordedRequest[]): number {
  const asked = requests
    .filter(({ body }) => !isCanary(body))
    .map(({ body }) => JSON.stringify([body.model, body.messages, body.seed, body.n]));
  return asked.length - new Set(asked).size;
}
