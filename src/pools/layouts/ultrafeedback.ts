import type { PoolLayout } from '../layout.ts';
import { plain } from './plain.ts';

/** UltraFeedback (openbmb/UltraFeedback): `instruction` beside the name of its `source`; completions are not read. */
export const ultraFeedback: PoolLayout = {
  name: 'ultrafeedback',
  needed: ['instruction', 'source'],
  optional: [],
  read: (row) => plain.read(row),
};
