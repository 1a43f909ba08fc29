/** A whole run of seconds: real but for its models, for which a scripted endpoint answers. */
import type { ConfigurationInput, Run, RunProgress } from '../../src/client.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Script } from '../inference/scripted-endpoint.ts';
import { isJudging, scriptedAnswer, scriptedConfiguration } from './scripted-run.ts';

const CATEGORIES = ['questions', 'tasks'];

/** Writes responses and similar instructions, chooses categories, and argues for a side that depends on the seed. */
export const answers: Script = (request) => {
  const asksForCategory = request.body.messages.some(({ content }) => content.includes('one category'));
  const category = (text: string) => CATEGORIES[text < 'word 8' ? 0 : 1] as string;
  const texts = scriptedAnswer(request).map((text) => (asksForCategory ? category(text) : text));
  return { kind: 'answer', texts, finishReason: 'stop' };
};

/** The same, each after a tenth of a second: for who wants to be there while it works. */
export const answersSlowly: Script = (request) => {
  const answer = answers(request);
  return answer.kind === 'answer' ? { ...answer, afterMilliseconds: 100 } : answer;
};

/** Judges that never come to a verdict, so that the first iteration has nothing to train on. */
export const undecided: Script = (request) =>
  isJudging(request.body)
    ? { kind: 'answer', texts: Array.from({ length: request.body.n ?? 1 }, () => 'both are fine') }
    : answers(request);

/** One iteration of one training step, each stage over two shards or a few. */
export function tinyConfiguration(
  runName: string,
  baseUrl: string,
  changes: Partial<ConfigurationInput> = {},
): ConfigurationInput {
  return scriptedConfiguration(baseUrl, runName, {
    instructions: { pool: ['embedded/instructions.jsonl'], maximum: 20, shardSize: 10 },
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
    ...changes,
  });
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

/**
 * Whether the stage is under way in the iteration, or was: on a busy machine it may be over between two looks. For stages
 * that are counted, in the first iteration that has them.
 */
export function hasBegun(stage: string, iteration: number): (progress: RunProgress) => boolean {
  return ({ stages, counts }) =>
    counts[stage] !== undefined ||
    stages.some((shown) => shown.name === stage && shown.iteration === iteration);
}
