import { userRequestOf, parseFlattenedTurns } from '../../method/conversation.ts';
import { parseMessages } from '../messages/parse-messages.ts';
import { droppedRow, failedRow } from '../rows/unusable-row.ts';
import type { PreferenceFormat } from './preference-format.ts';

interface RatedRow {
  readonly prompt: string;
  readonly response: string;
  readonly helpfulness: number;
}

/**
 * HelpSteer2 (nvidia/HelpSteer2): two consecutive rows have the same `prompt`, and each has a `response` with its
 * `helpfulness` (0 to 4); the more helpful response is better. The prompt holds the messages of a conversation, with
 * markers between them.
 */
export const helpSteer2Format: PreferenceFormat = {
  name: 'helpsteer2',
  requiredColumns: ['prompt', 'response', 'helpfulness'],
  isRowPair: (first, second) => first['prompt'] === second['prompt'],
  read(first, second = {}) {
    for (const { prompt, response, helpfulness } of [first, second]) {
      if (typeof prompt !== 'string') return failedRow('"prompt" is not text');
      if (typeof response !== 'string') return failedRow('"response" is not text');
      if (typeof helpfulness !== 'number') return failedRow('"helpfulness" is not a number');
    }
    const rated = [first, second] as unknown as RatedRow[];
    const [better, worse] = rated.sort((a, b) => b.helpfulness - a.helpfulness);
    if (better === undefined || worse === undefined || better.helpfulness === worse.helpfulness)
      return droppedRow('equally helpful');
    const turns = parseMessages(parseFlattenedTurns(better.prompt), 'prompt');
    if ('reason' in turns) return turns;
    return { ...userRequestOf(turns), chosen: better.response, rejected: worse.response };
  },
};
