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
   * `stalled`: it made no progress and was stopped. `error`: it ended with an exception. `system`: the operating
   * system refused something. `crashed`: it ended without a report.
   */
  kind: z.enum(['stalled', 'error', 'system', 'crashed']),
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
 * More crashes and refusals of the system than errors are allowed, because accidents of a machine often repeat.
 */
const MAX_CONSECUTIVE_FAULTS: Record<TrainerFault['kind'], number> = {
  ...{ stalled: 3, error: 3 },
  ...{ system: 6, crashed: 6 },
};
/** The same of any faults, which differ each time: a text that contains the name of a temporary file, for example. */
const MAX_FAULTS_WITHOUT_STEP = 12;

/**
 * Records that a start ended in a fault.
 * @returns `times`: how many times in a row the same fault has happened without a step in between, including this one;
 * `inARow`: the same in words, or the number of different faults if they are the reason why this one is the last
 */
export async function recordFault(
  training: ObjectStore,
  token: string,
  { kind, message, step }: Omit<TrainerFault, 'isLast'>,
): Promise<{ readonly times: number; readonly inARow: string; readonly fault: TrainerFault }> {
  const earlier = await readFaults(training, token);
  // Steps since the last checkpoint are repeated: only a step beyond all of them is progress.
  const furthest = Math.max(step, ...earlier.map((fault) => fault.step));
  const times = 1 + consecutiveRepeats(earlier, { kind, message, step: furthest });
  const all = earlier.length - earlier.findLastIndex((past) => past.isLast || past.step < furthest);
  const isRepeated = times >= MAX_CONSECUTIVE_FAULTS[kind];
  const fault = { kind, message, step: furthest, isLast: isRepeated || all >= MAX_FAULTS_WITHOUT_STEP };
  await training.put(faultKey(token), `${JSON.stringify(fault)}\n`);
  const count = isRepeated ? `${times} times` : `the last of ${all} faults`;
  return { times, inARow: `${count} in a row without a step in between`, fault };
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
      (['error', 'system'].includes(fault.kind) &&
        normalizeMessage(fault.message) !== normalizeMessage(next.message)),
  );
  return earlier.length - 1 - other;
}

/** Removes what differs each time: free memory, process ids, addresses, the tokens of starts, the names of temporary files. */
function normalizeMessage(message: string): string {
  return message.replaceAll(
    /0x[0-9a-f]+|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{16,}\b|\btmp\w{8}\b|\d+(\.\d+)?/gi,
    '#',
  );
}
