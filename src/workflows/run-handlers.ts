/** What a run answers, and what it can be told, while it works. */
import { setHandler } from '@temporalio/workflow';
import { requireIterations, requireStopAfter } from './change-iterations.ts';
import {
  configurationQuery,
  pauseUpdate,
  progressQuery,
  resumeUpdate,
  setIterationsUpdate,
  shardProgressSignal,
  stageWaitingSignal,
  stopAfterIterationUpdate,
  trainingStepSignal,
} from './messages.ts';
import { type PauseGate, requirePausable, requirePaused } from './pause.ts';
import { withTimeLeft } from './remaining-time.ts';
import type { Paused } from '../contract/progress.ts';
import { currentIteration, type ProgressTracker } from './run-progress.ts';
import { showDetails } from './show-details.ts';
import { hasNumbers } from './well-formed.ts';

/** @param configuration what the query `configuration` answers now */
export function setRunHandlers(
  tracker: ProgressTracker,
  gate: PauseGate,
  configuration: () => unknown,
): void {
  const change = (progress: Parameters<ProgressTracker['update']>[0]): void => {
    tracker.update(progress);
    showDetails(tracker);
  };
  const changePause = (paused: Paused | undefined): Promise<void> => {
    change({ paused });
    return gate.change(paused);
  };

  setProgressHandlers(tracker);
  setHandler(configurationQuery, configuration, {
    description: 'What the run was started with, every default filled in.',
  });
  setHandler(
    pauseUpdate,
    (request) =>
      changePause({ reason: request?.reason ?? 'no reason given', since: new Date().toISOString() }),
    {
      validator: (request) => requirePausable(request, tracker.current),
      description: 'Nothing new begins, a training stops with a checkpoint: {"reason": "..."}, or nothing.',
    },
  );
  setHandler(resumeUpdate, () => changePause(undefined), {
    validator: () => requirePaused(tracker.current),
    description: 'A paused run goes on.',
  });
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
}
