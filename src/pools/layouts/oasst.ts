import { textIn, type PoolLayout } from '../layout.ts';

/**
 * OpenAssistant conversations (OpenAssistant/oasst1, oasst2), one message a row. The instructions are the prompts that
 * begin a conversation tree: role `prompter` and no parent. Deleted messages and those that reviewers turned down are
 * left out.
 */
export const oasst: PoolLayout = {
  name: 'oasst',
  needed: ['message_id', 'parent_id', 'role', 'text'],
  optional: ['lang', 'deleted', 'review_result'],
  read(row) {
    const { parent_id: parent, role, lang } = row;
    if (role !== 'prompter' || (parent !== null && parent !== undefined))
      return { kind: 'dropped', reason: 'not the first message of a tree' };
    if (row['deleted'] === true) return { kind: 'dropped', reason: 'deleted' };
    if (row['review_result'] === false) return { kind: 'dropped', reason: 'turned down in review' };
    const instruction = textIn(row, 'text');
    if (typeof instruction !== 'string') return instruction;
    return { instruction, turns: 1, language: typeof lang === 'string' ? lang : undefined };
  },
};
