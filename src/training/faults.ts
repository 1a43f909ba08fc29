/** How starts of a trainer went wrong: kept beside each, so that what comes again and again is told from an accident. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readIfThere, startFolder, startTokens, writeWhole } from './starts.ts';

const faultSchema = z.object({
  /** `stalled`: it made no progress and was stopped. `error`: it ended by an exception of its own. `died`: it never said why. */
  kind: z.enum(['stalled', 'error', 'died']),
  /** In one line. */
  message: z.string(),
  /** The furthest step that the training had come to by then; 0 before the first one. */
  step: z.int().nonnegative(),
  /** The training was given up with it; who starts it again has mended something. */
  isLast: z.boolean(),
});
export type Fault = z.infer<typeof faultSchema>;

/**
 * The same fault so often in a row, without a step forward in between, and the training is given up. A death may be
 * an accident of its surroundings, and those come in rows.
 */
const MOST_ALIKE: Record<Fault['kind'], number> = { stalled: 3, error: 3, died: 6 };

/**
 * Notes that a start ended in a fault.
 * @returns how often the same has happened in a row without a step in between, this time included, and whether it was the last
 */
export async function noteFault(
  outputFolder: string,
  token: string,
  { kind, message, step }: Omit<Fault, 'isLast'>,
): Promise<{ readonly times: number; readonly fault: Fault }> {
  const earlier = await faultsOf(outputFolder, token);
  // Steps since the last checkpoint are done again: only what lies beyond all of them is a step forward.
  const furthest = Math.max(step, ...earlier.map((fault) => fault.step));
  const times = 1 + alikeInARow(earlier, { kind, message, step: furthest });
  const fault = { kind, message, step: furthest, isLast: times >= MOST_ALIKE[kind] };
  await writeWhole(join(startFolder(outputFolder, token), FAULT_FILE), fault);
  return { times, fault };
}

/** The faults of a training so far, the oldest first. */
export async function faultsOf(outputFolder: string, exceptToken?: string): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const token of await startTokens(outputFolder)) {
    if (token === exceptToken) continue;
    const fault = await readIfThere(join(startFolder(outputFolder, token), FAULT_FILE), faultSchema);
    if (fault !== undefined) faults.push(fault);
  }
  return faults;
}

/** Whether a start's fault was noted. */
export function hasFault(outputFolder: string, token: string): boolean {
  return existsSync(join(startFolder(outputFolder, token), FAULT_FILE));
}

const FAULT_FILE = 'fault.json';

/** How many of the newest faults are the same as the one that follows them, at the same step. */
function alikeInARow(earlier: readonly Fault[], next: Omit<Fault, 'isLast'>): number {
  const other = earlier.findLastIndex(
    (fault) =>
      fault.isLast ||
      fault.kind !== next.kind ||
      fault.step < next.step ||
      (fault.kind === 'error' && wording(fault.message) !== wording(next.message)),
  );
  return earlier.length - 1 - other;
}

/** Without what differs each time: free memory, process ids, addresses. */
function wording(message: string): string {
  return message.replaceAll(/0x[0-9a-f]+|\d+(\.\d+)?/gi, '#');
}
