import type { LayoutName } from './layout-names.ts';
import type { PoolLayout } from './layout.ts';
import { conversation } from './layouts/conversation.ts';
import { messages } from './layouts/messages.ts';
import { oasst } from './layouts/oasst.ts';
import { plain } from './layouts/plain.ts';
import { prompt } from './layouts/prompt.ts';
import { shareGpt } from './layouts/sharegpt.ts';
import { ultraFeedback } from './layouts/ultrafeedback.ts';
import { wildChat } from './layouts/wildchat.ts';

/** Every layout by its name in the configuration. */
export const poolLayouts: Readonly<Record<LayoutName, PoolLayout>> = {
  wildchat: wildChat,
  ultrafeedback: ultraFeedback,
  sharegpt: shareGpt,
  oasst,
  messages,
  conversation,
  prompt,
  plain,
};
