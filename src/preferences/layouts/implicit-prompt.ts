import type { Message } from '../../judge/prompt-template.ts';
import { failed, preferredIn, saidIn, sharedContext, type PreferenceLayout } from '../layout.ts';

/** hh-rlhf writes a conversation as one text. */
const SPEAKER = /(?:^|\n\n)(Human|Assistant): ?/;

/**
 * `chosen` and `rejected` are the whole conversation each and differ in the last message alone: TRL's preference layout
 * with an implicit prompt. As messages, or as one text with `Human:` and `Assistant:` as hh-rlhf has it.
 */
export const implicitPrompt: PreferenceLayout = {
  name: 'implicit-prompt',
  needed: ['chosen', 'rejected'],
  read(row) {
    const whole = Object.fromEntries(
      ['chosen', 'rejected'].map((field) => [field, spoken(row[field])]),
    ) as Record<string, unknown>;
    const [chosen, rejected] = [saidIn(whole, 'chosen'), saidIn(whole, 'rejected')];
    if ('reason' in chosen) return chosen;
    if ('reason' in rejected) return rejected;
    const without = [chosen, rejected].findIndex(({ context }) => context.length === 0);
    if (without >= 0)
      return failed(
        `no field "prompt", and "${without === 0 ? 'chosen' : 'rejected'}" is no whole conversation`,
      );
    return preferredIn(sharedContext(chosen, rejected), chosen, rejected, 'chosen');
  },
};

/** The messages of a text in which speakers are named; anything else as it is. */
function spoken(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const [before = '', ...parts] = value.split(SPEAKER);
  if (before.trim() !== '' || parts.length === 0) return value;
  const messages: Message[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const role = parts[i] === 'Human' ? 'user' : 'assistant';
    messages.push({ role, content: (parts[i + 1] ?? '').trim() });
  }
  return messages;
}
