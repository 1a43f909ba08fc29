/**
 * The faults that ended a trainer's starts. They are stored with each start, so that repeated faults are
 * recognized.
 */
import { z } from 'zod';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { readJsonObject } from '../../store/objects/read-json-object.ts';
import { startPrefix, startTokens } from './trainer-starts.ts';

const faultSchema = z.object({
  /**
   * `stalled`: it made no progress and was stopped. `error`: it ended with an exception. `crashed`: it ended
   * without a report.
   */
  kind: z.enum(['stalled', 'error', 'crashed']),
  /** One line. */
  message: z.string(),
  /** The last step that the training had reached; 0 before the first one. */
  step: z.int().nonnegative(),
  /**
   * Set if the training was not restarted after this fault. Whoever starts it again has presumably fixed the
   * cause.
   */
  isLast: z.boolean(),
});
export type TrainerFault = z.infer<typeof faultSchema>;

/**
 * The number of equal faults in a row, without a step in between, after which the training is not restarted.
 * More crashes than errors are allowed, because accidents of a machine often repeat.
 */
const MAX_CONSECUTIVE_FAULTS: Record<TrainerFault['kind'], number> = { stalled: 3, error: 3, crashed: 6 };

/**
 * Records that a start ended in a fault.
 * @returns how many times in a row the same fault has happened without a step in between, including this one
 */
export async function recordFault(
  training: ObjectStore,
  token: string,
  { kind, message, step }: Omit<TrainerFault, 'isLast'>,
): Promise<{ readonly times: number; readonly fault: TrainerFault }> {
  const earlier = await readFaults(training, token);
  // Steps since the last checkpoint are repeated: only a step beyond all of them is progress.
  const furthest = Math.max(step, ...earlier.map((fault) => fault.step));
  const times = 1 + consecutiveRepeats(earlier, { kind, message, step: furthest });
  const fault = { kind, message, step: furthest, isLast: times >= MAX_CONSECUTIVE_FAULTS[kind] };
  await training.put(faultKey(token), `${JSON.stringify(fault)}\n`);
  return { times, fault };
}

/** The faults of a training so far, oldest first. */
export async function readFaults(training: ObjectStore, exceptToken?: string): Promise<TrainerFault[]> {
  const faults: TrainerFault[] = [];
  for (const token of await startTokens(training)) {
    if (token === exceptToken) continue;
    const fault = await readJsonObject(training, faultKey(token), faultSchema);
    if (fault !== undefined) faults.push(fault);
  }
  return faults;
}

/** Whether a fault of this start was recorded. */
export async function hasFault(training: ObjectStore, token: string): Promise<boolean> {
  return (await training.head(faultKey(token))) !== undefined;
}

function faultKey(token: string): string {
  return `${startPrefix(token)}/fault.json`;
}

/** Counts the newest faults that equal the next one and happened at the same step. */
function consecutiveRepeats(earlier: readonly TrainerFault[], next: Omit<TrainerFault, 'isLast'>): number {
  const other = earlier.findLastIndex(
    (fault) =>
      fault.isLast ||
      fault.kind !== next.kind ||
      fault.step < next.step ||
      (fault.kind === 'error' && normalizeMessage(fault.message) !== normalizeMessage(next.message)),
  );
  return earlier.length - 1 - other;
}

/** Removes numbers that differ each time: free memory, process ids, addresses. */
function normalizeMessage(message: string): string {
  return message.replaceAll(/0x[0-9a-f]+|\d+(\.\d+)?/gi, '#');
}
