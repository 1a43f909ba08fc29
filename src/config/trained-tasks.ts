/** The tasks beyond pairs that judges learn too, from labelled records of the user's files. */
import { z } from 'zod';
import { TASK_NAMES, TASKS, type TaskName } from '../method/tasks.ts';
import { promptFolderPath } from '../platform/schema-fields.ts';
import { inputPath } from './fields.ts';

const taskSchema = z.strictObject({
  task: z
    .enum(TASK_NAMES)
    .describe('Rating a response, choosing the best of several, or saying whether a response is correct.'),
  files: z
    .array(inputPath)
    .min(1)
    .describe('The files of records with labels (docs/benchmarks.md), as entries of `instructions.pool`.'),
  prompt: promptFolderPath
    .describe(
      'The folder of its prompts, in subfolders `plain` and `reference`; by default `prompts/` and the name of the task.',
    )
    .optional(),
});

export const trainedTasksSchema = z
  .array(taskSchema)
  .superRefine((tasks, context) => {
    for (const [index, { task }] of tasks.entries()) {
      if (tasks.findIndex((other) => other.task === task) === index) continue;
      const message = `found ${JSON.stringify(task)} again: name all files of a task in one entry`;
      context.addIssue({ code: 'custom', path: [index, 'task'], message });
    }
  })
  .default([])
  .describe(
    'Records of tasks beyond pairs, which are judged beside the pairs, each with the prompt of its task. Judgments with the right verdict ' +
      'are learned too (FLAMe, arXiv 2407.10817; FARE, arXiv 2510.17793), or rewarded by a round of GRPO.',
  );

/** The folder of the prompts of a task that a run trains. */
export function trainedPromptFolder({
  task,
  prompt,
}: {
  readonly task: TaskName;
  readonly prompt?: string | undefined;
}) {
  return prompt ?? TASKS[task].folder;
}
