/**
 * Pausing a run: nothing new starts, shards in flight end, a training stops with a checkpoint. The run signals its child
 * workflows, and they signal theirs.
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
import { hasNumbers } from './signal-validation.ts';
import { requestFields, updateRejected, requireActiveRun } from './update-validation.ts';
import type { Paused, RunProgress } from '../api/progress.ts';
import type { PauseState } from '../api/signals.ts';

const MAX_REASON_LENGTH = 500;

/** Holds back new work while a workflow is paused, and passes the pause on to child workflows. */
export class PauseGate {
  #state: PauseState;
  readonly #children = new Set<string>();
  readonly #interruptions = new Set<() => void>();

  constructor(state: PauseState = { revision: 0 }) {
    this.#state = state;
  }

  get state(): PauseState {
    return this.#state;
  }

  /** Pauses the workflow, or resumes it if `paused` is undefined. Resolves when the child workflows have been signalled. */
  setPaused(paused: Paused | undefined): Promise<void> {
    return this.applyState({ revision: this.#state.revision + 1, paused });
  }

  /** Applies the state that the parent workflow sent, unless it is older than the current one. */
  async applyState(state: PauseState): Promise<void> {
    if (!hasNumbers(state, 'revision') || state.revision <= this.#state.revision) return;
    this.#state = state;
    if (state.paused !== undefined) for (const interrupt of this.#interruptions) interrupt();
    await Promise.all([...this.#children].map((workflowId) => signalPauseState(workflowId, state)));
  }

  /** Resolves when the workflow is not paused. */
  async whenOpen(): Promise<void> {
    await condition(() => this.#state.paused === undefined);
  }

  /** Starts a child workflow when there is no pause, passes later pauses on to it, and returns its result. */
  async runChild<T extends Workflow>(
    start: () => Promise<ChildWorkflowHandle<T>>,
  ): Promise<WorkflowResultType<T>> {
    await this.whenOpen();
    const { revision } = this.#state;
    const child = await start();
    this.#children.add(child.workflowId);
    try {
      // A change before the child had started could not be signalled to it.
      if (this.#state.revision !== revision) await signalPauseState(child.workflowId, this.#state);
      return await child.result();
    } finally {
      this.#children.delete(child.workflowId);
    }
  }

  /** Runs resumable work: a pause cancels it, and the end of the pause starts it again. */
  async runInterruptibly<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.whenOpen();
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
        // The interrupted attempt may have failed in another way, which Temporal does not retry; the loop does.
        if (!isInterrupted || CancellationScope.current().consideredCancelled) throw error;
      } finally {
        this.#interruptions.delete(interrupt);
      }
    }
  }
}

/** Signals a child by its workflow id, because it may continue as new; a child that has just ended is ignored. */
async function signalPauseState(workflowId: string, state: PauseState): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId).signal(pauseSignal, state);
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}

/** @throws ApplicationFailure if the request is invalid, or the run cannot be paused now */
export function validatePause(
  request: unknown,
  { runName, status, paused }: Pick<RunProgress, 'runName' | 'status' | 'paused'>,
): void {
  if (request !== undefined && request !== null) checkPauseRequest(request);
  requireActiveRun(runName, status);
  if (paused !== undefined && paused.by !== 'budget')
    throw updateRejected(`the run ${runName} has been paused since ${paused.since}: ${paused.reason}`);
}

/** @throws ApplicationFailure if there is nothing to resume */
export function validateResume({
  runName,
  status,
  paused,
}: Pick<RunProgress, 'runName' | 'status' | 'paused'>): void {
  requireActiveRun(runName, status);
  if (paused === undefined)
    throw updateRejected(`the run ${runName} is not paused, so there is nothing to resume`);
  if (paused.by === 'budget')
    throw updateRejected(
      `the run ${runName} was paused by its budget, not by a user; it waits for a higher limit: ${paused.reason}`,
    );
}

function checkPauseRequest(request: unknown): void {
  const { reason } = requestFields(
    request,
    'reason',
    'pause takes an object such as {"reason": "the disk is full"}',
  );
  if (reason === undefined) return;
  if (typeof reason !== 'string' || reason.trim() === '')
    throw updateRejected(`reason is ${JSON.stringify(reason)}, but must be a text; it may be omitted`);
  if (reason.length > MAX_REASON_LENGTH)
    throw updateRejected(`reason has ${reason.length} characters; at most ${MAX_REASON_LENGTH} are allowed`);
}
