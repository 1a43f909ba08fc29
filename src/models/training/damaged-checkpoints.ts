/** The checkpoints that a trainer found damaged before it resumed; it removed them and used the ones before. */
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfExists } from '../../platform/file-system.ts';

const damageSchema = z.object({
  /** The folder's name, such as `checkpoint-40`. */
  checkpoint: z.string(),
  /** Names the file. */
  reason: z.string(),
});
export type DamagedCheckpoint = z.infer<typeof damageSchema>;

/** The damaged checkpoints of a training in the order in which they were found. */
export async function readDamagedCheckpoints(outputFolder: string): Promise<DamagedCheckpoint[]> {
  const text = (await readTextIfExists(join(outputFolder, 'damaged-checkpoints.jsonl'))) ?? '';
  return text.split('\n').flatMap((line) => {
    try {
      return [damageSchema.parse(JSON.parse(line))];
    } catch {
      return []; // A crash has truncated the line, or it is the empty end of the file.
    }
  });
}
