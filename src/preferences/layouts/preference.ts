import {
  failed,
  isSame,
  preferredIn,
  saidIn,
  sharedContext,
  turnsIn,
  type PreferenceLayout,
} from '../layout.ts';

/**
 * `prompt`, `chosen`, `rejected`, each a text or a list of messages: TRL's preference layout with an explicit prompt, and
 * most files on the hub. Where `chosen` and `rejected` hold the whole conversation (UltraFeedback binarized), they must
 * agree with each other, and with a `prompt` of messages; a `prompt` that is a text is then no more than its beginning.
 */
export const preference: PreferenceLayout = {
  name: 'preference',
  needed: ['prompt', 'chosen', 'rejected'],
  read(row) {
    const [turns, chosen, rejected] = [
      turnsIn(row, 'prompt'),
      saidIn(row, 'chosen'),
      saidIn(row, 'rejected'),
    ];
    if ('reason' in turns || 'reason' in chosen || 'reason' in rejected)
      return preferredIn(turns, chosen, rejected, 'prompt');
    const context = sharedContext(chosen, rejected);
    if ('reason' in context) return context;
    if (context.length === 0) return preferredIn(turns, chosen, rejected, 'prompt');
    if (typeof row['prompt'] !== 'string' && !isSame(context, turns))
      return failed('"chosen" does not go on from "prompt"');
    return preferredIn(context, chosen, rejected, 'chosen');
  },
};
