/** The records of tasks beyond pairs that judges learn from: their right verdict is known. */
import { requestedTurns } from './task-verdicts.ts';
import { isScoreRight, letterOf, type TaskLabel, type TaskName, type TaskRecord } from './tasks.ts';

/** A record of a user's file with its label. */
export interface TrainedRecord extends TaskRecord {
  readonly id: string;
  readonly task: TaskName;
  readonly label: TaskLabel;
}

/** A record with its responses in one order, which is what the judge sees. */
export interface TaskExample {
  /** `<record>/turn-<number>`. */
  readonly id: string;
  readonly recordId: string;
  readonly order: string;
  readonly task: TaskName;
  /** Its responses are in the order in which they are shown. */
  readonly record: TaskRecord;
  /** The score, the letter of the best response, or whether the response is correct. */
  readonly label: string;
}

/** The examples of a record: one, or of several responses one for each place that each of them takes. */
export function taskExamples({ id, task, label, ...record }: TrainedRecord): TaskExample[] {
  return requestedTurns(record.responses.length, { orders: 'both' }).map((shown, turn) => ({
    id: `${id}/turn-${turn}`,
    recordId: id,
    order: `turn-${turn}`,
    task,
    record: { ...record, responses: shown.map((index) => record.responses[index] ?? '') },
    label: task === 'rank' ? letterOf(shown.findIndex((index) => index === label)) : String(label),
  }));
}

/** Returns whether a verdict (as `parseTaskVerdict` gives it) is the right one of an example. */
export function isVerdictRight(
  { task, label }: Pick<TaskExample, 'task' | 'label'>,
  verdict: string | undefined,
): boolean {
  if (verdict === undefined) return false;
  return task === 'score' ? isScoreRight(Number(verdict), Number(label)) : verdict === label;
}
