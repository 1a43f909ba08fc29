/** What a run answers, and what it can be told, while it works. */
import { setHandler } from '@temporalio/workflow';
import { requireIterations, requireStopAfter } from './change-iterations.ts';
import {
  budgetReachedSignal,
  configurationQuery,
  pauseUpdate,
  progressQuery,
  resumeUpdate,
  setBudgetUpdate,
  setIterationsUpdate,
  shardProgressSignal,
  stageWaitingSignal,
  stopAfterIterationUpdate,
  trainingNoticeSignal,
  trainingStepSignal,
} from './messages.ts';
import { type PauseGate, requirePausable, requirePaused } from './pause.ts';
import { withTimeLeft } from './remaining-time.ts';
import type { Paused } from '../contract/progress.ts';
import { currentIteration, type ProgressTracker } from './run-progress.ts';
import type { Steered } from './run-stages.ts';
import { showDetails } from './show-details.ts';
import { hasNumbers, isTexts } from './well-formed.ts';

/** What of a run its handlers reach. */
interface Handled extends Steered {
  /** What the query `configuration` answers now. */
  readonly configuration: () => unknown;
  /** Shows where the run is. */
  readonly show: () => void;
}

export function setRunHandlers({ tracker, gate, budget, configuration, show }: Handled): void {
  const change = (progress: Parameters<ProgressTracker['update']>[0]): void => {
    tracker.update(progress);
    show();
  };

  setProgressHandlers(tracker);
  setHandler(configurationQuery, configuration, {
    description: 'What the run was started with, every default filled in.',
  });
  setPauseHandlers(tracker, gate, show);
  setHandler(setBudgetUpdate, (request) => budget.set(request), {
    validator: (request) => budget.requireChange(request),
    description:
      'What it may spend, such as {"tokens": 2000000}: tokens, requests, usd, gpuHours; null takes a limit away.',
  });
  setHandler(budgetReachedSignal, () => budget.reached());
  setHandler(setIterationsUpdate, ({ iterations }) => change({ iterations, stopAfter: undefined }), {
    validator: (request) => requireIterations(request, tracker.current),
    description: 'How many iterations it does in all: {"iterations": 7}.',
  });
  setHandler(
    stopAfterIterationUpdate,
    (request) => change({ stopAfter: request?.iteration ?? currentIteration(tracker.current) }),
    {
      validator: (request) => requireStopAfter(request, tracker.current),
      description:
        'It ends with its result after this one: {"iteration": 3}; without, after the one under way.',
    },
  );
}

/** The updates `pause` and `resume`. */
export function setPauseHandlers(
  tracker: ProgressTracker,
  gate: PauseGate,
  show = () => showDetails(tracker),
): void {
  const changePause = (paused: Paused | undefined): Promise<void> => {
    tracker.update({ paused });
    show();
    return gate.change(paused);
  };
  setHandler(
    pauseUpdate,
    (request) =>
      changePause({
        reason: request?.reason ?? 'no reason given',
        since: new Date().toISOString(),
        by: 'person',
      }),
    {
      validator: (request) => requirePausable(request, tracker.current),
      description: 'Nothing new begins, a training stops with a checkpoint: {"reason": "..."}, or nothing.',
    },
  );
  // A budget that is spent keeps it paused.
  setHandler(resumeUpdate, () => changePause(tracker.current.budget?.reached), {
    validator: () => requirePaused(tracker.current),
    description: 'A paused run goes on.',
  });
}

/** The query `progress`, and the reports that it is made of. */
export function setProgressHandlers(tracker: ProgressTracker): void {
  setHandler(progressQuery, () => withTimeLeft(tracker.current, Date.now()), {
    description: 'Phase, stages under way, the table of judges so far.',
  });
  setHandler(shardProgressSignal, (progress) => {
    if (!hasNumbers(progress, 'iteration', 'done', 'shards')) return;
    tracker.shardsDone(progress);
    showDetails(tracker);
  });
  setHandler(stageWaitingSignal, (waiting) => {
    if (!hasNumbers(waiting, 'iteration', 'shard')) return;
    tracker.stageWaits(waiting);
    showDetails(tracker);
  });
  setHandler(trainingStepSignal, (step) => {
    if (!hasNumbers(step, 'iteration', 'step', 'totalSteps', 'loss', 'etaSeconds')) return;
    tracker.trainedTo(step);
    showDetails(tracker);
  });
  setHandler(trainingNoticeSignal, (notice) => {
    if (!hasNumbers(notice, 'iteration', 'stalls') || !isTexts(notice.warnings)) return;
    tracker.noticed(notice);
    showDetails(tracker);
  });
}
