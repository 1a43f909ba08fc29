import type { TaskVerdict } from '../method/task-verdicts.ts';
import type { TaskLabel, TaskName } from '../method/tasks.ts';
import type { FileLine } from './file-task.ts';
import type { JudgeUsage } from './judge-pair.ts';

/** The verdict on a record of a file: a line of the verdict file. */
export interface JudgedRecord extends FileLine, TaskVerdict, Partial<JudgeUsage> {
  readonly task: TaskName;
  /** The verdict that is right according to the file. */
  readonly label?: TaskLabel;
  /** For rankings and verifications: true if the verdict is the label. */
  readonly correct?: boolean;
  /** The distance of a score from its label; without a score, that of the score that is farthest from it. */
  readonly error?: number;
}
