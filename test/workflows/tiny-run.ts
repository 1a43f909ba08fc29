/** A whole run of seconds: real but for its models, for which a scripted endpoint answers. */
import type { ConfigurationInput, Run, RunProgress } from '../../src/client.ts';
import { hashOf } from '../../src/judge/seeds.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedRequest, Script } from '../inference/scripted-endpoint.ts';

const CATEGORIES = ['questions', 'tasks'];

/** Writes responses and similar instructions, chooses categories, and argues for a side that depends on the seed. */
export const answers: Script = ({ body }: RecordedRequest) => {
  const prompt = body.messages.map(({ content }) => content).join('\n');
  const texts = Array.from({ length: body.n ?? 1 }, (_, index) => {
    const drawn = hashOf(prompt, body.seed ?? 0, index);
    if (prompt.includes('one category')) return CATEGORIES[drawn < '8' ? 0 : 1] as string;
    if (prompt.includes("Assistant A's Answer")) return `reasons . [[${drawn < '8' ? 'A' : 'B'}]]`;
    return `word ${drawn}`;
  });
  return { kind: 'answer', texts, finishReason: 'stop' };
};

/** Judges that never come to a verdict, so that the first iteration has nothing to train on. */
export const undecided: Script = (request) =>
  request.body.messages.some(({ content }) => content.includes("Assistant A's Answer"))
    ? { kind: 'answer', texts: Array.from({ length: request.body.n ?? 1 }, () => 'both are fine') }
    : answers(request);

/** One iteration of one training step, each stage over two shards or a few. */
export function tinyConfiguration(
  runName: string,
  baseUrl: string,
  changes: Partial<ConfigurationInput> = {},
): ConfigurationInput {
  return {
    runName,
    iterations: 1,
    models: { seed: { checkpoint: 'embedded/model' } },
    serving: { kind: 'endpoint', baseUrl, servedName: 'judge-{iteration}' },
    instructions: { pool: ['embedded/instructions.jsonl'], maximum: 20, shardSize: 10 },
    pairs: { calls: 'two' },
    judging: { samples: 4 },
    evaluation: {
      benchmarks: [
        {
          name: 'validation',
          format: 'reward-bench',
          path: 'embedded/benchmark/validation.jsonl',
          purpose: 'validation',
        },
      ],
      shardSize: 60,
    },
    fineTuning: {
      rounds: [
        {
          method: 'sft',
          hyperparameters: { maximumSteps: 1, batchSize: 4, gradientAccumulation: 1, maximumLength: 1024 },
        },
      ],
      threads: 1,
    },
    timeouts: { heartbeatSeconds: 5 },
    ...changes,
  };
}

/** The same with its instructions put into categories first. */
export const withCategories: Partial<ConfigurationInput> = {
  instructions: {
    pool: ['embedded/instructions.jsonl'],
    maximum: 20,
    shardSize: 500,
    categories: { names: CATEGORIES, keep: ['tasks'] },
  },
};

/** Waits until the run is where it should be. */
export async function progressUntil(run: Run, reached: (progress: RunProgress) => boolean): Promise<void> {
  for (;;) {
    // A worker that has just started doesn't answer queries yet.
    const progress = await run.progress().catch(() => undefined);
    if (progress !== undefined && reached(progress)) return;
    await sleep(50);
  }
}

/** Whether the stage is under way in the iteration. */
export function isDuring(stage: string, iteration: number): (progress: RunProgress) => boolean {
  return ({ stages }) => stages.some((shown) => shown.name === stage && shown.iteration === iteration);
}
