/** The training examples of tasks beyond pairs. */
import { renderPrompt } from '../../../method/prompt-template.ts';
import type { JudgmentSelectionRules } from '../../../method/select-judgments.ts';
import { TaskSelection } from '../../../method/select-task-judgments.ts';
import { taskQuestion } from '../../../method/tasks.ts';
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
export async function* taskRecords(
  tasks: Tasks,
  ids: ReadonlySet<string>,
): AsyncGenerator<TrainingRecord & { readonly completion: TrainingRecord['prompt'] }> {
  if (tasks === undefined) return;
  for await (const orders of tasks.judged())
    for (const { example, judgments } of orders) {
      const { prompt, values } = taskQuestion(example.task, example.record);
      for (const { id, text } of judgments)
        if (ids.has(id))
          yield {
            id,
            prompt: renderPrompt(tasks.promptsOf(example.task)[prompt], values),
            completion: [{ role: 'assistant', content: text }],
            judgments: { kept: [id], rejected: [] },
          };
    }
}
