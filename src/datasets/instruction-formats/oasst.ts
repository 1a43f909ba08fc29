import { droppedRow } from '../rows/unusable-row.ts';
import { readTextField, type InstructionFormat } from './instruction-format.ts';

/**
 * OpenAssistant conversations (OpenAssistant/oasst1, oasst2), one message per row. The instructions are the first prompts
 * of the conversation trees: role `prompter` and no parent. Deleted messages and messages that reviewers rejected are
 * dropped.
 */
export const oasstFormat: InstructionFormat = {
  name: 'oasst',
  requiredColumns: ['message_id', 'parent_id', 'role', 'text'],
  optionalColumns: ['lang', 'deleted', 'review_result'],
  read(row) {
    const { parent_id: parent, role, lang } = row;
    if (role !== 'prompter' || (parent !== null && parent !== undefined))
      return droppedRow('not the first message of a tree');
    if (row['deleted'] === true) return droppedRow('deleted');
    if (row['review_result'] === false) return droppedRow('rejected in review');
    const instruction = readTextField(row, 'text');
    if (typeof instruction !== 'string') return instruction;
    return { instruction, turns: 1, language: typeof lang === 'string' ? lang : undefined };
  },
};
