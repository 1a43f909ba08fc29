/** The tasks of a training by reinforcement: what a prompt asks of the judge. trainer/rewards.py says what each is rewarded for. */
import { z } from 'zod';
import { judgePromptValues, type JudgeExample, type ResponsePair } from '../../../method/examples.ts';
import { renderPrompt, type ChatMessage, type PromptTemplate } from '../../../method/prompt-template.ts';
import { taskPrompts, taskQuestion } from '../../../method/tasks.ts';
import { positiveNumber, promptFolderPath } from '../../../platform/schema-fields.ts';
import { stableFraction } from '../../../platform/stable-hash.ts';
import type { TrainingRecord } from './recipe.ts';

const KINDS = ['pairwise', 'pairwise-scores', 'pointwise'] as const;

type TaskKind = (typeof KINDS)[number];

const taskSchema = z
  .strictObject({
    kind: z
      .enum(KINDS)
      .describe(
        '`pairwise`: names the better response; `pairwise-scores`: scores both, and is right if the better one has the higher score ' +
          'and no letter says otherwise; `pointwise`: scores one response without seeing the other, and both of a pair are right if ' +
          'the better one has the higher score.',
      ),
    prompt: promptFolderPath
      .optional()
      .describe(
        'The folder of the prompt. By default that of the training (`pairwise`), `prompts/pairwise-scores` or `prompts/score/plain`.',
      ),
    weight: positiveNumber
      .default(1)
      .describe('The share of the pairs with this task, in proportion to those of the others.'),
  })
  .describe('A task.');

export const tasksSchema = z
  .array(taskSchema)
  .min(1)
  .superRefine((tasks, context) => {
    for (const [index, { kind, prompt }] of tasks.entries()) {
      const first = tasks.findIndex((other) => other.kind === kind && other.prompt === prompt);
      if (first === index) continue;
      const message = `it is task ${first} again: add its weight there, or give it a prompt of its own`;
      context.addIssue({ code: 'custom', path: [index, 'kind'], message });
    }
  })
  .optional()
  .describe(
    'What the training asks of the judge (J1 trains pairwise and pointwise together). The seed draws a task for each pair, in ' +
      'both its orders. By default the judge names the better response.',
  );

type GrpoTask = z.output<typeof taskSchema>;
type Tasks = z.output<typeof tasksSchema>;

const DEFAULT_FOLDERS: Readonly<Record<TaskKind, string | undefined>> = {
  pairwise: undefined,
  'pairwise-scores': 'prompts/pairwise-scores',
  pointwise: 'prompts/score/plain',
};

/** A row of the training set: a prompt, and what rewards are computed from (trainer/rewards.py). */
export interface GrpoRecord extends TrainingRecord {
  /** The kind of the pair's task, or the task of a record. */
  readonly task: string;
  /** The id of the pair or record. */
  readonly item: string;
  readonly order: string;
  /** The side of the better response, or the label of a record. */
  readonly label: string;
}

/** The folder of a task's prompt, if it has one of its own, and the placeholders that it needs. */
export function taskPromptFolder({ kind, prompt = DEFAULT_FOLDERS[kind] }: GrpoTask) {
  const pair = ['instruction', 'responseA', 'responseB'];
  return { folder: prompt, needed: kind === 'pointwise' ? taskPrompts('score').plain : pair };
}

/** Returns whether the judgments of both rows of a pair are always compared, whatever the reward. */
export function comparesResponses(tasks: Tasks): boolean {
  return tasks?.some(({ kind }) => kind === 'pointwise') ?? false;
}

/** The task of a pair, which depends on the seed and its id only. */
export function drawTask(tasks: Tasks, pairId: string, seed: number): GrpoTask {
  const all: readonly GrpoTask[] = tasks ?? [{ kind: 'pairwise', weight: 1 }];
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  let left = stableFraction(seed, 'task', pairId) * total;
  for (const task of all) {
    if (left < task.weight) return task;
    left -= task.weight;
  }
  return all.at(-1) as GrpoTask;
}

/** The prompt of a task for a pair in one order. With a single response it is the one that comes first in this order. */
export function renderTask(
  { kind }: GrpoTask,
  template: PromptTemplate,
  { instruction }: Pick<ResponsePair, 'instruction'>,
  example: JudgeExample,
): ChatMessage[] {
  const values =
    kind === 'pointwise'
      ? taskQuestion('score', { instruction, responses: [example.responseA] }).values
      : judgePromptValues(example);
  return renderPrompt(template, values);
}
