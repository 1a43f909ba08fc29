import { failedRow } from '../rows/unusable-row.ts';
import {
  isSameMessages,
  buildPreference,
  readResponse,
  sharedContext,
  readTurns,
  type PreferenceFormat,
} from './preference-format.ts';

/**
 * `prompt`, `chosen`, `rejected`, each a text or a list of messages: TRL's preference format with an explicit prompt,
 * which most files on the hub use. If `chosen` and `rejected` hold whole conversations (UltraFeedback binarized), both
 * must agree with each other and with a `prompt` of messages; a `prompt` that is a text is then ignored, because it is
 * only the beginning.
 */
export const preferenceFormat: PreferenceFormat = {
  name: 'preference',
  requiredColumns: ['prompt', 'chosen', 'rejected'],
  read(row) {
    const [turns, chosen, rejected] = [
      readTurns(row, 'prompt'),
      readResponse(row, 'chosen'),
      readResponse(row, 'rejected'),
    ];
    if ('reason' in turns || 'reason' in chosen || 'reason' in rejected)
      return buildPreference(turns, chosen, rejected, 'prompt');
    const context = sharedContext(chosen, rejected);
    if ('reason' in context) return context;
    if (context.length === 0) return buildPreference(turns, chosen, rejected, 'prompt');
    if (typeof row['prompt'] !== 'string' && !isSameMessages(context, turns))
      return failedRow('"chosen" does not continue "prompt"');
    return buildPreference(context, chosen, rejected, 'chosen');
  },
};
