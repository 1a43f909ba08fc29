import type { PartialConfiguration } from '../config/run-configuration.ts';
import { renderPrompt } from '../method/prompt-template.ts';
import type { TrainedConversation } from '../models/training/launchers/launcher.ts';
import type { InputFiles } from '../platform/input-files.ts';
import { requiredPrompts } from './prompts.ts';
import { readPrompt } from './read-prompt.ts';

/** The fields with the prompts that the judge is asked and trained with. */
const FIELDS: readonly string[] = ['judging.prompt', 'filtering.trainingPrompt'];

const VALUES = {
  instruction: 'Marked instruction: which of two numbers is larger, 1 or 2?',
  responseA: 'Marked response A: the number 2 is larger than the number 1.',
  responseB: 'Marked response B: both numbers are of the same size.',
};

/**
 * Makes a conversation with each prompt that the judge is trained with. Its texts are known, so that the trainer can check whether
 * a checkpoint's chat template leaves any of them out.
 * @returns none for a prompt that can't be read, which other checks report
 */
export async function markedConversations(
  files: InputFiles,
  usable: PartialConfiguration,
): Promise<TrainedConversation[]> {
  const prompts = requiredPrompts(usable).filter(({ path }) => FIELDS.includes(path));
  const read = prompts.map(async ({ path, folder, needed }) => {
    const template = await readPrompt(files, folder, needed).catch(() => undefined);
    if (template === undefined) return [];
    const content =
      'Marked judgment: response A names the larger number, and response B none.\n\nMarked verdict: [[A]]';
    const completion = [{ role: 'assistant' as const, content }];
    return [{ field: path, prompt: renderPrompt(template, VALUES), completion }];
  });
  return (await Promise.all(read)).flat();
}
