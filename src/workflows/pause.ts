/**
 * Pausing a run: nothing new begins, shards in flight end, a training stops with a checkpoint. The run tells its child
 * workflows, and those theirs.
 */
import {
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
} from '@temporalio/workflow';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import type { Workflow, WorkflowResultType } from '@temporalio/common';
import { pauseSignal } from './messages.ts';
import { hasNumbers } from './well-formed.ts';
import { fieldsOf, refused, requireOwnWork } from './refused.ts';
import type { Paused, RunProgress } from '../contract/progress.ts';

/** What the update `pause` may be told. */
export interface PauseRequest {
  /** Shown wherever the run's progress is; at most 500 characters. */
  readonly reason?: string;
}

const LONGEST_REASON = 500;

/** Whether a workflow is paused, carried along when it continues as new. */
export interface PauseState {
  /** Counts pauses and resumes: signals may arrive in another order than they were sent in, and only a newer one counts. */
  readonly change: number;
  readonly paused?: Paused | undefined;
}

/** What everything new waits at while a workflow is paused. */
export class PauseGate {
  #state: PauseState;
  readonly #children = new Set<string>();
  readonly #interruptions = new Set<() => void>();

  constructor(state: PauseState = { change: 0 }) {
    this.#state = state;
  }

  get state(): PauseState {
    return this.#state;
  }

  /** Pauses, or resumes without `paused`. Done when the child workflows have been told. */
  change(paused: Paused | undefined): Promise<void> {
    return this.follow({ change: this.#state.change + 1, paused });
  }

  /** Takes over what the parent is told, unless it is older than what is known. */
  async follow(state: PauseState): Promise<void> {
    if (!hasNumbers(state, 'change') || state.change <= this.#state.change) return;
    this.#state = state;
    if (state.paused !== undefined) for (const interrupt of this.#interruptions) interrupt();
    await Promise.all([...this.#children].map((workflowId) => tell(workflowId, state)));
  }

  /** Resolves at once, or when the pause is over. */
  async opened(): Promise<void> {
    await condition(() => this.#state.paused === undefined);
  }

  /** The result of a child workflow, which begins after a pause and hears of later ones. */
  async resultOf<T extends Workflow>(
    start: () => Promise<ChildWorkflowHandle<T>>,
  ): Promise<WorkflowResultType<T>> {
    await this.opened();
    const { change } = this.#state;
    const child = await start();
    this.#children.add(child.workflowId);
    try {
      // Before it had started, nobody could tell it.
      if (this.#state.change !== change) await tell(child.workflowId, this.#state);
      return await child.result();
    } finally {
      this.#children.delete(child.workflowId);
    }
  }

  /** Does work that goes on from where it was when it is begun again: a pause cancels it, and its end begins it again. */
  async untilDone<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.opened();
      const scope = new CancellationScope();
      let isInterrupted = false;
      const interrupt = () => {
        isInterrupted = true;
        scope.cancel();
      };
      this.#interruptions.add(interrupt);
      try {
        return await scope.run(work);
      } catch (error) {
        // An attempt that ended in another way just then isn't tried again by Temporal; it is here.
        if (!isInterrupted || CancellationScope.current().consideredCancelled) throw error;
      } finally {
        this.#interruptions.delete(interrupt);
      }
    }
  }
}

/** By workflow id, so that the child may continue as new; one that has just ended needs to know nothing. */
async function tell(workflowId: string, state: PauseState): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId).signal(pauseSignal, state);
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}

/** @throws ApplicationFailure naming what is wrong with the request, or why this run can't be paused now. */
export function requirePausable(
  request: unknown,
  { runName, phase, paused }: Pick<RunProgress, 'runName' | 'phase' | 'paused'>,
): void {
  if (request !== undefined && request !== null) checkRequest(request);
  requireOwnWork(runName, phase);
  if (paused !== undefined && paused.by !== 'budget')
    throw refused(`the run ${runName} is paused already, since ${paused.since}: ${paused.reason}`);
}

/** @throws ApplicationFailure saying why there is nothing to resume. */
export function requirePaused({
  runName,
  phase,
  paused,
}: Pick<RunProgress, 'runName' | 'phase' | 'paused'>): void {
  requireOwnWork(runName, phase);
  if (paused === undefined) throw refused(`the run ${runName} isn't paused: there is nothing to resume`);
  if (paused.by === 'budget')
    throw refused(`nobody has paused the run ${runName}, it waits until it may spend more: ${paused.reason}`);
}

function checkRequest(request: unknown): void {
  const { reason } = fieldsOf(
    request,
    'reason',
    'pause takes an object such as {"reason": "the disk is full"}',
  );
  if (reason === undefined) return;
  if (typeof reason !== 'string' || reason.trim() === '')
    throw refused(`reason is ${JSON.stringify(reason)}, and must be a text; it may be left out`);
  if (reason.length > LONGEST_REASON)
    throw refused(`reason has ${reason.length} characters; at most ${LONGEST_REASON} are allowed`);
}
