import { askedBy, flattenedTurns, messagesOf } from '../../judge/conversation.ts';
import { dropped, failed, type PreferenceLayout } from '../layout.ts';

interface Rated {
  readonly prompt: string;
  readonly response: string;
  readonly helpfulness: number;
}

/**
 * HelpSteer2 (nvidia/HelpSteer2): two rows that follow each other have the same `prompt`, and a `response` with its
 * `helpfulness` (0 to 4) each; the more helpful one is better. Turns stand in the prompt with marks between them.
 */
export const helpSteer2: PreferenceLayout = {
  name: 'helpsteer2',
  needed: ['prompt', 'response', 'helpfulness'],
  belongTogether: (first, second) => first['prompt'] === second['prompt'],
  read(first, second = {}) {
    for (const { prompt, response, helpfulness } of [first, second]) {
      if (typeof prompt !== 'string') return failed('"prompt" is no text');
      if (typeof response !== 'string') return failed('"response" is no text');
      if (typeof helpfulness !== 'number') return failed('"helpfulness" is no number');
    }
    const rated = [first, second] as unknown as Rated[];
    const [better, worse] = rated.sort((a, b) => b.helpfulness - a.helpfulness);
    if (better === undefined || worse === undefined || better.helpfulness === worse.helpfulness)
      return dropped('equally helpful');
    const turns = messagesOf(flattenedTurns(better.prompt), 'prompt');
    if ('reason' in turns) return failed(turns.reason);
    return { ...askedBy(turns), chosen: better.response, rejected: worse.response };
  },
};
