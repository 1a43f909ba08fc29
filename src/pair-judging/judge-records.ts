/** Judges the records of a file, for the tasks beyond pairs (src/method/tasks.ts). */
import { readRows } from '../datasets/rows/read-rows.ts';
import { type LabelledRecord, readTaskRecord, taskOfRow } from '../datasets/task-records.ts';
import { requestedTurns, type TaskVerdict } from '../method/task-verdicts.ts';
import { farthestScore, type TaskLabel, type TaskName } from '../method/tasks.ts';
import { isObject } from '../platform/is-object.ts';
import { type FileTask, type FileUnit, unitId } from './file-task.ts';
import { collectTaskVotes, type TaskJudge, taskVerdictOfVotes, type TaskVote } from './judge-task.ts';
import type { JudgedRecord } from './judged-record.ts';
import { RecordFiguresCounter, type RecordFigures } from './record-figures.ts';

/** A record of a file with its row. */
interface RecordUnit extends FileUnit {
  readonly record: LabelledRecord;
  /** The row's own `id`, or its number if it has none. */
  readonly rowId: string;
}

/** The task of the rows of a file, by the fields of the first one; undefined if they fit several. */
export async function taskOfFile(file: string): Promise<TaskName | 'pair' | undefined> {
  for await (const { value, problem } of readRows(file)) if (problem === undefined) return taskOfRow(value);
  return 'pair';
}

/** Judges the records of a file. */
export function recordsFileTask(
  judge: TaskJudge,
): FileTask<RecordFigures, RecordUnit, TaskVote, JudgedRecord> {
  const { task, voting } = judge;
  return {
    noun: { one: `record for the task ${task}`, many: 'records' },
    async *readUnits(file) {
      for await (const { row, value, problem } of readRows(file)) {
        const record = problem ?? readTaskRecord(task, value);
        yield typeof record === 'string'
          ? { row, problem: record }
          : { row, unit: { id: unitId(row), row, record, rowId: rowIdOf(value, row) } };
      }
    },
    requestsFor: ({ record }) => requestedTurns(record.responses.length, voting).length,
    work: (unit, existing, emit, ask) =>
      collectTaskVotes(judge, unit, existing, emit, ask, async (turns, askIn) => {
        for (const turn of turns) await askIn(turn);
      }),
    assembleResults: (unit, votes) => [
      { ...judgedRecord(task, unit, taskVerdictOfVotes(judge, unit.record, votes)), id: unit.id },
    ],
    countResults: (lines) => ({
      records: lines.length,
      judgments: lines.flatMap(({ turns }) => turns.flatMap(({ judgments }) => judgments)).length,
      unparsableJudgments: lines.filter(({ verdict }) => verdict === 'none').length,
    }),
    lineOf: (unit, judged) =>
      'reason' in judged
        ? judgedRecord(task, unit, { verdict: 'none', consistent: null, turns: [], failed: judged })
        : { ...judged, id: unit.rowId },
    createCounter() {
      const counter = new RecordFiguresCounter(task);
      return {
        add: (line, unit) => counter.add(line, unit?.record.instruction ?? line.id),
        get figures() {
          return counter.figures;
        },
      };
    },
  };
}

function judgedRecord(
  task: TaskName,
  { row, rowId, record: { label } }: RecordUnit,
  judged: TaskVerdict & Pick<JudgedRecord, 'requests' | 'tokens' | 'failed'>,
): JudgedRecord {
  return {
    row,
    id: rowId,
    task,
    ...(label === undefined ? {} : comparedWith(task, label, judged)),
    ...judged,
  };
}

/** The label of a record, and how the verdict agrees with it. */
function comparedWith(
  task: TaskName,
  label: TaskLabel,
  { verdict }: Pick<TaskVerdict, 'verdict'>,
): Pick<JudgedRecord, 'label' | 'correct' | 'error'> {
  if (task !== 'score' || typeof label !== 'number') return { label, correct: verdict === label };
  return { label, error: Math.abs((typeof verdict === 'number' ? verdict : farthestScore(label)) - label) };
}

function rowIdOf(value: unknown, row: number): string {
  const id = isObject(value) ? value['id'] : undefined;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : String(row);
}
