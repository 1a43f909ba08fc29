import type { InstructionFormat } from './instruction-format.ts';
import { plainFormat } from './plain.ts';

/** UltraFeedback (openbmb/UltraFeedback): `instruction` and the name of its `source`; completions are not read. */
export const ultraFeedbackFormat: InstructionFormat = {
  name: 'ultrafeedback',
  requiredColumns: ['instruction', 'source'],
  optionalColumns: [],
  read: (row) => plainFormat.read(row),
};
