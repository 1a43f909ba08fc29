import { z } from 'zod';
import { latestEpoch } from '../store/claims.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { runUris } from './run-layout.ts';
import type { DeepReadonly } from '../platform/deep-readonly.ts';
import { REPORTED_STATUSES } from '../api/run-status.ts';
import { machineTimesSchema } from '../api/progress.ts';
import { iterationSummarySchema } from '../api/result.ts';

const stateSchema = z.object({
  schema: z.literal(1),
  status: z.enum(REPORTED_STATUSES),
  /** ISO 8601. */
  startedAt: z.string(),
  /** The time of writing, ISO 8601. */
  updatedAt: z.string(),
  /**
   * The claim on the run's folder for which this state is valid (src/store/claims.ts); a newer claim belongs to a
   * later start.
   */
  claim: z.int().nonnegative(),
  /** The artifact with the resolved configuration. */
  configuration: z.string(),
  best: z.int().nonnegative(),
  iterations: z.array(iterationSummarySchema),
  warnings: z.array(z.string()),
  /** The busy and idle times of the run's machines. */
  machines: z.array(machineTimesSchema).exactOptional(),
  /** The reason of a failure. */
  failure: z.string().exactOptional(),
});

/**
 * `state.json` in a run's folder: the state of the run when its report was last written. It is for readers of the
 * store when no server knows the run any more; the run itself never reads it.
 */
export type RunState = DeepReadonly<z.output<typeof stateSchema>>;

export async function writeRunState(
  store: ArtifactStore,
  runName: string,
  state: Omit<RunState, 'schema' | 'updatedAt' | 'claim'>,
): Promise<void> {
  const claim = await latestEpoch(store.objects, runUris.owner(runName));
  const written: RunState = { schema: 1, ...state, updatedAt: new Date().toISOString(), claim };
  await store.writeText(runUris.state(runName), `${JSON.stringify(written, undefined, 2)}\n`);
}

/** Undefined if there is none or it is invalid; callers then determine the state in another way. */
export async function readRunState(store: ArtifactStore, runName: string): Promise<RunState | undefined> {
  const text = await store.readText(runUris.state(runName));
  if (text === undefined) return undefined;
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
