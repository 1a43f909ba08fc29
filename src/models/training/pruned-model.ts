/**
 * A judge whose weights were deleted to free disk space. The training's other files are kept, and a note
 * records when and how much was deleted.
 */
import { posix } from 'node:path';
import { z } from 'zod';
import type { ArtifactStore } from '../../store/artifact-store.ts';

const NOTE_FILE = 'pruned.json';

const noteSchema = z.object({
  /** ISO 8601. */
  prunedAt: z.string(),
  bytes: z.int().nonnegative(),
  /** Why, if it was not deleted by `gc`; a clause with the model as its subject. */
  because: z.string().optional(),
});
export type PrunedModel = z.infer<typeof noteSchema>;

/**
 * The file of a model that is deleted first. No program can use a model without it, so a model is either
 * complete or pruned, even if the deletion is interrupted.
 */
export const FIRST_DELETED_FILE = 'config.json';

/** Records that a training's model is about to be deleted. The note has no effect while the model exists. */
export async function recordPrunedModel(
  store: ArtifactStore,
  training: string,
  note: PrunedModel,
): Promise<void> {
  await store.writeText(posix.join(training, NOTE_FILE), `${JSON.stringify(note)}\n`);
}

/** Undefined if the model exists, or was deleted in another way. */
export async function prunedModel(store: ArtifactStore, training: string): Promise<PrunedModel | undefined> {
  const text = await store.readText(posix.join(training, NOTE_FILE));
  if (text === undefined || (await store.exists(posix.join(training, 'model', FIRST_DELETED_FILE))))
    return undefined;
  try {
    return noteSchema.parse(JSON.parse(text));
  } catch {
    // A crash has truncated the note. It exists, so the model was pruned.
    return { prunedAt: 'an unknown time', bytes: 0 };
  }
}

/**
 * The message for whoever needs the weights in a training's folder `model`; undefined if they were not
 * pruned.
 */
export async function prunedModelMessage(store: ArtifactStore, model: string): Promise<string | undefined> {
  const note = await prunedModel(store, posix.dirname(model));
  if (note === undefined) return undefined;
  const because = note.because ?? `was deleted by "self-taught-evaluator gc" at ${note.prunedAt}`;
  return (
    `${store.locate(model)} ${because}: its figures are kept, its weights are not. ` +
    'If they are needed, train it again ("rerunFrom": "<iteration>/fineTune" in the configuration), or start under another name'
  );
}
