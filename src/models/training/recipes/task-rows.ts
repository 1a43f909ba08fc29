/** The training examples of tasks beyond pairs: judgments for SFT, prompts for GRPO. */
import { renderPrompt } from '../../../method/prompt-template.ts';
import type { JudgmentSelectionRules } from '../../../method/select-judgments.ts';
import { TaskCounter, TaskSelection, type JudgedTaskExample } from '../../../method/select-task-judgments.ts';
import type { TaskExample } from '../../../method/task-examples.ts';
import { taskQuestion } from '../../../method/tasks.ts';
import type { GrpoRecord } from './grpo-tasks.ts';
import type { TrainingRecord, TrainingSetInput } from './recipe.ts';

type Tasks = TrainingSetInput<unknown>['trainedTasks'];

/** Selects the judgments of tasks beyond pairs that are learned. */
export async function selectTaskJudgments(
  tasks: Tasks,
  rules: JudgmentSelectionRules,
  balance: boolean,
  seed: number,
) {
  const selection = new TaskSelection(rules, seed);
  if (tasks !== undefined) for await (const orders of tasks.judged()) selection.add(orders);
  return selection.result(balance);
}

/** The selected judgments as rows of a training set, each with the prompt that it answers. */
export async function* taskJudgmentRows(
  tasks: Tasks,
  ids: ReadonlySet<string>,
): AsyncGenerator<TrainingRecord & { readonly completion: TrainingRecord['prompt'] }> {
  if (tasks === undefined) return;
  for await (const orders of tasks.judged())
    for (const { example, judgments } of orders)
      for (const { id, text } of judgments)
        if (ids.has(id))
          yield {
            id,
            prompt: promptOf(tasks, example),
            completion: [{ role: 'assistant', content: text }],
            judgments: { kept: [id], rejected: [] },
          };
}

/** Selects the records of tasks beyond pairs whose prompts are trained on, by their judgments in all orders. */
export async function selectTaskRecords(
  tasks: Tasks,
  isSelected: (orders: readonly JudgedTaskExample[]) => boolean,
) {
  const counter = new TaskCounter();
  const selected: Pick<TaskExample, 'task' | 'recordId'>[] = [];
  if (tasks !== undefined)
    for await (const orders of tasks.judged()) {
      counter.add(orders, ({ judgments }) => judgments.some(({ correct }) => correct));
      if (isSelected(orders))
        selected.push(...orders.map(({ example: { task, recordId } }) => ({ task, recordId })));
    }
  return {
    examples: selected.length,
    ids: new Set(selected.map(({ recordId }) => recordId)),
    tasks: counter.statistics(selected),
  };
}

/** The prompts of the selected records as rows of a training set: one for each order of the responses. */
export async function* taskPromptRows(tasks: Tasks, ids: ReadonlySet<string>): AsyncGenerator<GrpoRecord> {
  if (tasks === undefined) return;
  for await (const orders of tasks.judged())
    for (const { example } of orders)
      if (ids.has(example.recordId))
        yield {
          id: `${example.id}/0000`,
          ...{ item: example.recordId, order: example.order, task: example.task, label: example.label },
          prompt: promptOf(tasks, example),
          judgments: { kept: [], rejected: [] },
        };
}

function promptOf(tasks: NonNullable<Tasks>, { task, record }: TaskExample): TrainingRecord['prompt'] {
  const { prompt, values } = taskQuestion(task, record);
  return renderPrompt(tasks.promptsOf(task)[prompt], values);
}
