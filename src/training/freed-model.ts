/** A judge whose weights were freed to make room: its training's other files stay, and a note says when and how much. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../artifacts/store.ts';

const NOTE_FILE = 'freed.json';

const noteSchema = z.object({
  /** ISO 8601. */
  freedAt: z.string(),
  bytes: z.int().nonnegative(),
});
export type FreedModel = z.infer<typeof noteSchema>;

/** Says that the model in a training's output folder is about to go. Until it has, nothing follows from the note. */
export async function noteFreedModel(outputFolder: string, note: FreedModel): Promise<void> {
  await writeFileAtomically(join(outputFolder, NOTE_FILE), `${JSON.stringify(note)}\n`);
}

/** Undefined where the model is there, or went in another way. */
export function freedModel(outputFolder: string): FreedModel | undefined {
  const file = join(outputFolder, NOTE_FILE);
  if (!existsSync(file) || existsSync(join(outputFolder, 'model'))) return undefined;
  return noteSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** What to say to who needs the weights in a training's folder `model`; undefined where they were not freed. */
export function freedMessage(model: string): string | undefined {
  const note = freedModel(dirname(model));
  if (note === undefined) return undefined;
  return (
    `${model} was freed by "self-taught-evaluator gc" at ${note.freedAt}: its figures are still there, its weights are not. ` +
    'Where they are needed, train it again ("redo": "<iteration>/fine-tune" in the configuration), or start under another name'
  );
}
