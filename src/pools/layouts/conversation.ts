import { conversationIn, type PoolLayout } from '../layout.ts';

/**
 * `conversation` of `{role, content}` (LMSYS-Chat-1M), up to its last user turn. For WildChat, which has a layout of its
 * own that takes the last user turn alone, it must be named: then the turns before it come along.
 */
export const conversation: PoolLayout = {
  name: 'conversation',
  needed: ['conversation'],
  optional: ['language', 'toxic', 'redacted'],
  read(row) {
    const read = conversationIn(row, 'conversation');
    if ('reason' in read) return read;
    const { language, toxic, redacted } = row;
    return {
      ...read,
      language: typeof language === 'string' ? language : undefined,
      toxic: toxic === true,
      redacted: redacted === true,
    };
  },
};
