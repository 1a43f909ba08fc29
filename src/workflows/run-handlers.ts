/** The handlers of a workflow's queries, updates and signals. */
import { setHandler } from '@temporalio/workflow';
import { validateSetIterations, validateStopAfterIteration } from './iteration-updates.ts';
import {
  budgetExhaustedSignal,
  configurationQuery,
  pauseUpdate,
  progressQuery,
  resumeUpdate,
  setBudgetUpdate,
  setIterationsUpdate,
  shardProgressSignal,
  stopAfterIterationUpdate,
  trainingNoticeSignal,
  trainingStepSignal,
  waitsChangedSignal,
} from './messages.ts';
import { type PauseGate, validatePause, validateResume } from './pause.ts';
import { withRemainingTime } from './remaining-time.ts';
import type { Paused } from '../api/progress.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import { currentIteration } from '../api/current-iteration.ts';
import type { RunControls } from './run-stages.ts';
import { showCurrentDetails } from './show-current-details.ts';
import type { ReportQueue } from './report-queue.ts';
import { hasNumbers, isStringArray, isWaitsReport } from './signal-validation.ts';

/** The parts of a run that its handlers use. */
interface HandlerContext extends RunControls {
  /** Returns the current answer of the query `configuration`. */
  readonly configuration: () => unknown;
  /** Publishes the progress of the run. */
  readonly show: () => void;
}

export function setRunHandlers({
  tracker,
  gate,
  budget,
  reports,
  configuration,
  show,
}: HandlerContext): void {
  const change = (progress: Parameters<ProgressTracker['update']>[0]): void => {
    tracker.update(progress);
    show();
  };

  setProgressHandlers(tracker, reports);
  setHandler(configurationQuery, configuration, {
    description: 'The configuration of the run, with every default filled in.',
  });
  setPauseHandlers(tracker, gate, show);
  setHandler(setBudgetUpdate, (request) => budget.change(request), {
    validator: (request) => budget.validateChange(request),
    description:
      'Changes limits of the budget: {"tokens": 2000000}; tokens, requests, usd, gpuHours; null removes a limit.',
  });
  setHandler(budgetExhaustedSignal, () => budget.handleExhausted());
  setHandler(
    setIterationsUpdate,
    ({ iterations }) => change({ requestedIterations: iterations, stopAfter: undefined }),
    {
      validator: (request) => validateSetIterations(request, tracker.current),
      description: 'Changes the number of iterations: {"iterations": 7}.',
    },
  );
  setHandler(
    stopAfterIterationUpdate,
    (request) => change({ stopAfter: request?.iteration ?? currentIteration(tracker.current) }),
    {
      validator: (request) => validateStopAfterIteration(request, tracker.current),
      description:
        'Ends the run with its result after this iteration: {"iteration": 3}; by default after the current one.',
    },
  );
}

/** The updates `pause` and `resume`. */
export function setPauseHandlers(
  tracker: ProgressTracker,
  gate: PauseGate,
  show = () => showCurrentDetails(tracker),
): void {
  const changePause = (paused: Paused | undefined): Promise<void> => {
    tracker.update({ paused });
    show();
    return gate.setPaused(paused);
  };
  setHandler(
    pauseUpdate,
    (request) =>
      changePause({
        reason: request?.reason ?? 'no reason given',
        since: new Date().toISOString(),
        by: 'user',
      }),
    {
      validator: (request) => validatePause(request, tracker.current),
      description: 'Starts nothing new, stops a training with a checkpoint: {"reason": "..."}, or nothing.',
    },
  );
  // An exhausted budget keeps the run paused.
  setHandler(resumeUpdate, () => changePause(tracker.current.budget?.exhausted), {
    validator: () => validateResume(tracker.current),
    description: 'Continues a paused run.',
  });
}

/**
 * The query `progress`, and the signals that update it.
 * @param reports gets a report when the waits of the run change
 */
export function setProgressHandlers(tracker: ProgressTracker, reports: ReportQueue): void {
  const progress = () => {
    const machines = tracker.machineTimes();
    const times = machines.length === 0 ? {} : { machines };
    return { ...withRemainingTime(tracker.current, Date.now()), ...times };
  };
  setHandler(progressQuery, progress, {
    description: 'Status, running stages, the table of judges so far.',
  });
  setHandler(shardProgressSignal, (progress) => {
    if (!hasNumbers(progress, 'iteration', 'done', 'shards')) return;
    tracker.recordShards(progress);
    if (isStringArray(progress.warnings)) tracker.addWarnings(progress.warnings);
    showCurrentDetails(tracker);
  });
  setHandler(waitsChangedSignal, (report) => {
    if (!isWaitsReport(report)) return;
    const isChanged = tracker.recordWaits(report.waits);
    showCurrentDetails(tracker);
    const { status } = tracker.current;
    if (isChanged && (status === 'running' || status === 'paused')) reports.add(status);
  });
  setHandler(trainingStepSignal, (step) => {
    if (!hasNumbers(step, 'iteration', 'step', 'totalSteps', 'loss', 'etaSeconds')) return;
    tracker.recordTrainingStep(step);
    showCurrentDetails(tracker);
  });
  setHandler(trainingNoticeSignal, (notice) => {
    if (!hasNumbers(notice, 'iteration', 'stalls') || !isStringArray(notice.warnings)) return;
    tracker.recordTrainingNotice(notice);
    showCurrentDetails(tracker);
  });
}
