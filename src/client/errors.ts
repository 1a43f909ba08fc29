import { type Client, WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client';
import type { Difference } from '../artifacts/errors.ts';
import type { Problem } from '../config/read-configuration.ts';

/** There is no run, or evaluation, of this name where the client looks. */
export class RunNotFound extends Error {
  override readonly name = 'RunNotFound';
  readonly runName: string;

  constructor(runName: string, { options, connection }: Client) {
    const { address } = (connection as { options?: { address?: string } }).options ?? {};
    const where = `the namespace ${options.namespace}${address === undefined ? '' : ` of ${address}`}`;
    super(
      `there is no run ${JSON.stringify(runName)} in ${where}: look at the name, the namespace and the server. A server ` +
        'forgets a run that has ended after its retention; its result.json stays in the store.',
    );
    this.runName = runName;
  }
}

/** The run has ended, and can't be told anything any more. */
export class RunEnded extends Error {
  override readonly name = 'RunEnded';
  readonly runName: string;
  /** Temporal's word for how it ended. */
  readonly status: string;

  constructor(runName: string, status: string, options: ErrorOptions) {
    super(`the run ${JSON.stringify(runName)} has ended (${status.toLowerCase()})`, options);
    this.runName = runName;
    this.status = status;
  }
}

/** The name belongs to something that is under way and means something else. Nothing was started. */
export class RunConflict extends Error {
  override readonly name = 'RunConflict';
  readonly runName: string;
  /** The fields that differ, such as `judging.samples`; empty where something else than a run has the name. */
  readonly fields: readonly string[];

  constructor(runName: string, what: string, fields: readonly string[] = []) {
    super(
      `the name ${JSON.stringify(runName)} is taken by ${what}: choose another runName, or wait for it to end`,
    );
    this.runName = runName;
    this.fields = fields;
  }

  static between(runName: string, differences: readonly Difference[]): RunConflict {
    const named = differences.map(({ field, was, is }) => `${field} is ${was} there, ${is} here`);
    const what = `a run under way with another configuration (${named.join('; ')})`;
    return new RunConflict(
      runName,
      what,
      differences.map(({ field }) => field),
    );
  }
}

/** The configuration has mistakes, all of them here. Nothing was started. */
export class ConfigurationRefused extends Error {
  override readonly name = 'ConfigurationRefused';
  /** What is wrong, by the path of the field. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ path, message }) => `  ${path}: ${message}`);
    const count = problems.length === 1 ? 'one thing is' : `${problems.length} things are`;
    super(`The configuration can't be used, ${count} wrong:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** The messages of a failed run, outermost first, without what Temporal wraps around them. */
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
