import { z } from 'zod';
import { newestEpoch } from '../artifacts/claim.ts';
import { readTextIfThere } from '../artifacts/on-disk.ts';
import { type ArtifactStore, writeFileAtomically } from '../artifacts/store.ts';
import { runUris } from '../activities/open-run.ts';
import type { Immutable } from '../contract/immutable.ts';
import { iterationSummarySchema } from '../contract/result.ts';

const stateSchema = z.object({
  schema: z.literal(1),
  status: z.enum(['running', 'paused', 'completed', 'failed', 'cancelled']),
  /** ISO 8601. */
  startedAt: z.string(),
  /** ISO 8601: when this was written. */
  updatedAt: z.string(),
  /** The claim on the run's folder that this holds for (src/artifacts/claim.ts); a newer one belongs to a later start. */
  claim: z.int().nonnegative(),
  /** The artifact with the resolved configuration. */
  configuration: z.string(),
  best: z.int().nonnegative(),
  iterations: z.array(iterationSummarySchema),
  warnings: z.array(z.string()),
  /** Why it failed. */
  failure: z.string().exactOptional(),
});

/**
 * `state.json` in a run's folder: where the run stood when its report was last to be written. It is for who looks at the store
 * alone, when no server remembers the run; the run itself never reads it.
 */
export type RunState = Immutable<z.output<typeof stateSchema>>;

export async function writeRunState(
  store: ArtifactStore,
  runName: string,
  state: Omit<RunState, 'schema' | 'updatedAt' | 'claim'>,
): Promise<void> {
  const claim = await newestEpoch(store.path(runUris.owner(runName)));
  const whole: RunState = { schema: 1, ...state, updatedAt: new Date().toISOString(), claim };
  await writeFileAtomically(store.path(runUris.state(runName)), `${JSON.stringify(whole, undefined, 2)}\n`);
}

/** Undefined where there is none, or what is there is not one: what it says is then looked for elsewhere. */
export async function readRunState(store: ArtifactStore, runName: string): Promise<RunState | undefined> {
  const text = await readTextIfThere(store.path(runUris.state(runName)));
  if (text === undefined) return undefined;
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
