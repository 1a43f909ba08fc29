import type { TrainingProgress, TrainingResult } from '../models/training/job.ts';
import type { WorkerMetrics } from './worker-metrics.ts';

/** Publishes the metrics of one training while it is followed, and its result. */
export function trackTrainingMetrics(metrics: WorkerMetrics, run: string, iteration: number) {
  const labels = { run, iteration: String(iteration) };
  metrics.trainingActive(1, labels);
  return {
    /** @param progress the trainer's last report; undefined before its first step */
    progress(progress: TrainingProgress | undefined): void {
      if (progress === undefined) return;
      metrics.trainingLoss(progress.loss, labels);
      metrics.trainingStep(progress.step, labels);
      metrics.trainingTotalSteps(progress.totalSteps, labels);
      metrics.trainingTokensPerSecond(progress.tokensPerSecond, labels);
    },
    /** For a completed training, which may not have been followed before. */
    result({ finalLoss, steps, tokens, seconds }: TrainingResult): void {
      metrics.trainingLoss(finalLoss, labels);
      metrics.trainingStep(steps, labels);
      metrics.trainingTotalSteps(steps, labels);
      metrics.trainingTokensPerSecond(seconds > 0 ? tokens / seconds : 0, labels);
    },
    /** The training is no longer followed. */
    end: (): void => metrics.trainingActive(0, labels),
  };
}
