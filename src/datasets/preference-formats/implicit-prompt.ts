import type { ChatMessage } from '../../method/prompt-template.ts';
import { failedRow } from '../rows/unusable-row.ts';
import { buildPreference, readResponse, sharedContext, type PreferenceFormat } from './preference-format.ts';

/** The speakers' names in hh-rlhf, which writes a conversation as one text. */
const SPEAKER = /(?:^|\n\n)(Human|Assistant): ?/;

/**
 * `chosen` and `rejected` are whole conversations that differ only in the last message: TRL's preference format with an
 * implicit prompt. Each is a list of messages, or a text with `Human:` and `Assistant:` as in hh-rlhf.
 */
export const implicitPromptFormat: PreferenceFormat = {
  name: 'implicit-prompt',
  requiredColumns: ['chosen', 'rejected'],
  read(row) {
    const conversations = Object.fromEntries(
      ['chosen', 'rejected'].map((field) => [field, parseSpeakers(row[field])]),
    ) as Record<string, unknown>;
    const [chosen, rejected] = [
      readResponse(conversations, 'chosen'),
      readResponse(conversations, 'rejected'),
    ];
    if ('reason' in chosen) return chosen;
    if ('reason' in rejected) return rejected;
    const incomplete = [chosen, rejected].findIndex(({ context }) => context.length === 0);
    if (incomplete >= 0)
      return failedRow(
        `no field "prompt", and "${incomplete === 0 ? 'chosen' : 'rejected'}" is not a complete conversation`,
      );
    return buildPreference(sharedContext(chosen, rejected), chosen, rejected, 'chosen');
  },
};

/** Splits a text with speakers' names into messages; returns any other value unchanged. */
function parseSpeakers(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const [before = '', ...parts] = value.split(SPEAKER);
  if (before.trim() !== '' || parts.length === 0) return value;
  const messages: ChatMessage[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const role = parts[i] === 'Human' ? 'user' : 'assistant';
    messages.push({ role, content: (parts[i + 1] ?? '').trim() });
  }
  return messages;
}
