import { conversationFormat } from './conversation.ts';
import type { InstructionFormat } from './instruction-format.ts';
import { messagesFormat } from './messages.ts';
import { oasstFormat } from './oasst.ts';
import { plainFormat } from './plain.ts';
import { promptFormat } from './prompt.ts';
import { shareGptFormat } from './sharegpt.ts';
import { ultraFeedbackFormat } from './ultrafeedback.ts';
import { wildChatFormat } from './wildchat.ts';

/** All formats of instructions by their names in the configuration. */
export const instructionFormats = {
  wildchat: wildChatFormat,
  ultrafeedback: ultraFeedbackFormat,
  sharegpt: shareGptFormat,
  oasst: oasstFormat,
  messages: messagesFormat,
  conversation: conversationFormat,
  prompt: promptFormat,
  plain: plainFormat,
} satisfies Readonly<Record<string, InstructionFormat>>;

export type InstructionFormatName = keyof typeof instructionFormats;

export const INSTRUCTION_FORMATS = Object.keys(instructionFormats) as readonly InstructionFormatName[];
