/** The checkpoints that a trainer found damaged before it resumed; it removed them and used the ones before. */
import { z } from 'zod';
import type { ObjectStore } from '../../store/objects/object-store.ts';

const damageSchema = z.object({
  /** The folder's name, such as `checkpoint-40`. */
  checkpoint: z.string(),
  /** Names the file. */
  reason: z.string(),
});
export type DamagedCheckpoint = z.infer<typeof damageSchema>;

/** The damaged checkpoints of a training in the order in which they were found. */
export async function readDamagedCheckpoints(training: ObjectStore): Promise<DamagedCheckpoint[]> {
  const text = (await training.get('damaged-checkpoints.jsonl'))?.content.toString('utf8') ?? '';
  return text.split('\n').flatMap((line) => {
    try {
      return [damageSchema.parse(JSON.parse(line))];
    } catch {
      return []; // A crash has truncated the line, or it is the empty end of the file.
    }
  });
}
