import { type Client, WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import { type FieldDifference, formatConflict } from '../platform/field-differences.ts';
import type { Problem } from '../platform/problem.ts';

/** There is no run, evaluation or judging of this name in the client's namespace. */
export class RunNotFound extends Error {
  override readonly name = 'RunNotFound';
  readonly runName: string;

  constructor(runName: string, { options, connection }: Client) {
    const { address } = (connection as { options?: { address?: string } }).options ?? {};
    const where = `the namespace ${options.namespace}${address === undefined ? '' : ` of ${address}`}`;
    super(
      `there is no run ${JSON.stringify(runName)} in ${where}: check the name, the namespace and the server. A server ` +
        'deletes an ended run after its retention period; its result.json stays in the store.',
    );
    this.runName = runName;
  }
}

/** The run has ended, so it accepts no more requests. */
export class RunEnded extends Error {
  override readonly name = 'RunEnded';
  readonly runName: string;
  /** The final status in Temporal's terms. */
  readonly status: string;

  constructor(runName: string, status: string, options: ErrorOptions) {
    super(`the run ${JSON.stringify(runName)} has ended (${status.toLowerCase()})`, options);
    this.runName = runName;
    this.status = status;
  }
}

/** An open workflow with another configuration already uses this name. Nothing was started. */
export class RunConflict extends Error {
  override readonly name = 'RunConflict';
  readonly runName: string;
  /** The fields that differ, such as `judging.samples`; empty if a workflow of another type uses the name. */
  readonly fields: readonly string[];

  constructor(runName: string, what: string, fields: readonly string[] = []) {
    super(
      `the name ${JSON.stringify(runName)} is taken by ${what}: choose another runName, or wait for it to end`,
    );
    this.runName = runName;
    this.fields = fields;
  }

  static ofDifferences(runName: string, differences: readonly FieldDifference[]): RunConflict {
    const what = `an open run with another configuration (${formatConflict(differences)})`;
    return new RunConflict(
      runName,
      what,
      differences.map(({ field }) => field),
    );
  }
}

/** The configuration is invalid; all its problems are listed. Nothing was started. */
export class InvalidConfiguration extends Error {
  override readonly name = 'InvalidConfiguration';
  /** Every problem with the path of its field. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ path, message }) => `  ${path}: ${message}`);
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** The messages of a failed run, outermost first, without the errors in which Temporal wraps them. */
export function failureMessage(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause) {
    const isWrapper =
      current instanceof WorkflowFailedError ||
      current instanceof WorkflowUpdateFailedError ||
      /^(Activity task|Child Workflow execution) failed$/i.test(current.message);
    if (!isWrapper && current.message !== '') messages.push(current.message);
  }
  return messages.length === 0 ? String(error) : messages.join('\n');
}
