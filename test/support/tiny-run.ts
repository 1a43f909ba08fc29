/** A complete run of a few seconds; only its models are replaced by a scripted endpoint. */
import type { ConfigurationInput, Run, RunProgress } from '../../src/client/index.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCanary, type Script } from './scripted-endpoint.ts';
import {
  isJudgeRequest,
  SCRIPTED_JUDGE_PROMPT,
  scriptedAnswer,
  scriptedConfiguration,
} from './scripted-run.ts';

const CATEGORIES = ['questions', 'tasks'];

/** Generates responses, similar instructions, categories, and verdicts that depend on the seed. */
export const scriptedAnswers: Script = (request) => {
  const asksForCategory = request.body.messages.some(({ content }) => content.includes('one category'));
  const category = (text: string) => CATEGORIES[text < 'word 8' ? 0 : 1] as string;
  const texts = scriptedAnswer(request).map((text) => (asksForCategory ? category(text) : text));
  return { kind: 'answer', texts, finishReason: 'stop' };
};

/** The same answers with a delay of a tenth of a second, for tests that act while the run is working. */
export const slowScriptedAnswers: Script = (request) => {
  const answer = scriptedAnswers(request);
  return answer.kind === 'answer' ? { ...answer, afterMilliseconds: 100 } : answer;
};

/** The same answers, which wait for `released`, for tests of what is done before the run ends. */
export function heldScriptedAnswers(released: Promise<unknown>): Script {
  return (request) => {
    const answer = scriptedAnswers(request);
    return answer.kind === 'answer' && !isCanary(request.body) ? { ...answer, heldUntil: released } : answer;
  };
}

/** Judgments without verdicts, so that the first iteration has no training examples. */
export const judgeWithoutVerdict: Script = (request) =>
  isJudgeRequest(request.body)
    ? { kind: 'answer', texts: Array.from({ length: request.body.n ?? 1 }, () => 'both are fine') }
    : scriptedAnswers(request);

/** The hyperparameters of a training of one step. */
export const oneStep = {
  maxSteps: 1,
  perDeviceBatchSize: 4,
  gradientAccumulationSteps: 1,
  maxLength: 1024,
};

/** A configuration with one iteration, one training step, and a few shards in each stage. */
export function tinyConfiguration(
  runName: string,
  baseUrl: string,
  changes: Partial<ConfigurationInput> = {},
): ConfigurationInput {
  return scriptedConfiguration(baseUrl, runName, {
    instructions: { pool: ['embedded/instructions.jsonl'], maxInstructions: 20, shardSize: 10 },
    evaluation: {
      prompt: SCRIPTED_JUDGE_PROMPT,
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
          hyperparameters: oneStep,
        },
      ],
      threads: 1,
    },
    ...changes,
  });
}

/** The same with categorized instructions. */
export const withCategories: Partial<ConfigurationInput> = {
  instructions: {
    pool: ['embedded/instructions.jsonl'],
    maxInstructions: 20,
    shardSize: 500,
    categories: { names: CATEGORIES, keep: ['tasks'] },
  },
};

/** Judgments that follow plans. */
export const plannedJudging = {
  prompt: SCRIPTED_JUDGE_PROMPT,
  samples: 2,
  plan: {
    prompt: 'test/support/prompts/plan',
    executionPrompt: 'test/support/prompts/execute-plan',
    samples: 2,
  },
};

/** Records of a task beyond pairs. */
export const rankedRecords = {
  task: 'rank' as const,
  files: ['test/freeze/rankings.jsonl'],
  prompt: 'test/support/prompts/rank',
};

/** The same with judgments that follow plans, pairs with a limit, and records of a task beyond pairs. */
export const withPlansAndTasks: Partial<ConfigurationInput> = {
  pairs: {
    calls: 'two',
    limits: [{ kind: 'forbidden-word', share: 1 }],
    tasks: [rankedRecords],
  },
  judging: plannedJudging,
  filtering: { minExamples: 1 },
};

const PROGRESS_MS = 480_000;

/** Waits until the run's progress satisfies the condition; after eight minutes throws with the progress of that moment. */
export async function waitForProgress(
  run: Pick<Run, 'progress'>,
  reached: (progress: RunProgress) => boolean,
): Promise<void> {
  const deadline = performance.now() + PROGRESS_MS;
  for (;;) {
    // A worker does not answer queries until it has started.
    const progress = await run.progress().catch(() => undefined);
    if (progress !== undefined && reached(progress)) return;
    if (performance.now() > deadline)
      throw new Error(`the progress of the run has not become as expected: ${JSON.stringify(progress)}`);
    await sleep(50);
  }
}

/**
 * Whether the stage is under way in the iteration, or was: on a busy machine it may be over between two looks. For stages
 * that are counted, in the first iteration that has them.
 */
export function stageStarted(stage: string, iteration: number): (progress: RunProgress) => boolean {
  return ({ stages, counts }) =>
    counts[stage] !== undefined ||
    stages.some((shown) => shown.name === stage && shown.iteration === iteration);
}
