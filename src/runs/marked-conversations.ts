import { reasoningMarksOf, reasoningSchema } from '../config/reasoning.ts';
import type { PartialConfiguration } from '../config/run-configuration.ts';
import { placeholders, renderPrompt } from '../method/prompt-template.ts';
import { wholeText } from '../method/reasoning.ts';
import type { TrainedConversation } from '../models/training/launchers/launcher.ts';
import type { InputFiles } from '../platform/input-files.ts';
import { benchmarkPrompts } from './benchmark-prompts.ts';
import { requiredPrompts } from './prompts.ts';
import { readPrompt } from './read-prompt.ts';

/** The fields with the prompt that judgments are trained with: the second one, if it is set. */
const TRAINING_FIELDS: readonly string[] = ['judging.prompt', 'filtering.trainingPrompt'];

/** Whether a field has a prompt that the judge is asked or trained with. */
function isForJudge(field: string): boolean {
  return (
    TRAINING_FIELDS.includes(field) ||
    field.startsWith('judging.plan.') ||
    field.startsWith('pairs.tasks.') ||
    field.endsWith('.direct.prompt')
  );
}

const VALUES: Readonly<Record<string, string>> = {
  instruction: 'Marked instruction: which of two numbers is larger, 1 or 2?',
  responseA: 'Marked response A: the number 2 is larger than the number 1.',
  responseB: 'Marked response B: both numbers are of the same size.',
};
const REASONING =
  'Marked reasoning: the instruction asks for the larger number, which only response A names.';
const JUDGMENT =
  'Marked judgment: response A names the larger number, and response B none.\n\nMarked verdict: [[A]]';

/**
 * Makes conversations with the prompts that the judge is asked, trained and evaluated with. Their texts are known, so that the trainer can
 * check whether a checkpoint's chat template leaves any of them out. If judgments are trained with their reasoning, one has some.
 * @returns none for a prompt that can't be read, which other checks report
 */
export async function markedConversations(
  files: InputFiles,
  usable: PartialConfiguration,
): Promise<TrainedConversation[]> {
  const { evaluation, filtering, reasoning = reasoningSchema.parse({}) } = usable;
  const conversationsWith = async (prompts: readonly PromptFolder[]): Promise<TrainedConversation[]> => {
    const read = prompts.map(async ({ path, folder, needed }) => {
      const template = await readPrompt(files, folder, needed).catch(() => undefined);
      if (template === undefined) return [];
      const values = [...placeholders(template)].map((name) => [name, VALUES[name] ?? `Marked ${name}.`]);
      const prompt = renderPrompt(template, Object.fromEntries(values));
      return [{ field: path, prompt, completion: answer(JUDGMENT) }];
    });
    return (await Promise.all(read)).flat();
  };
  const judged = await conversationsWith(requiredPrompts(usable).filter(({ path }) => isForJudge(path)));
  const evaluated = evaluation && (await conversationsWith(await benchmarkPrompts(evaluation)));
  const conversations = [...judged, ...(evaluated ?? [])];
  const trained = judged.findLast(({ field }) => TRAINING_FIELDS.includes(field));
  if (trained === undefined || filtering?.reasoning === 'drop') return conversations;
  const whole = wholeText({ text: JUDGMENT, reasoning: REASONING }, reasoningMarksOf({ reasoning }));
  return [
    ...conversations,
    { ...trained, field: `${trained.field} and a judgment with reasoning`, completion: answer(whole) },
  ];
}

interface PromptFolder {
  readonly path: string;
  readonly folder: string;
  readonly needed: readonly string[];
}

function answer(content: string): TrainedConversation['completion'] {
  return [{ role: 'assistant', content }];
}
