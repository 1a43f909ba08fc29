import type { TrainingProgress, TrainingResult } from '../training/job.ts';
import type { WorkerMetrics } from './metrics.ts';

/** Shows one training: while it is followed, and what it ended with. */
export function measureTraining(metrics: WorkerMetrics, run: string, iteration: number) {
  const labels = { run, iteration: String(iteration) };
  metrics.trainingActive(1, labels);
  return {
    /** What the trainer last said; nothing before its first step. */
    progress(progress: TrainingProgress | undefined): void {
      if (progress === undefined) return;
      metrics.trainingLoss(progress.loss, labels);
      metrics.trainingStep(progress.step, labels);
      metrics.trainingTotalSteps(progress.totalSteps, labels);
      metrics.trainingTokensPerSecond(progress.tokensPerSecond, labels);
    },
    /** Of one that came to its end, perhaps without being seen at work. */
    result({ finalLoss, steps, tokens, seconds }: TrainingResult): void {
      metrics.trainingLoss(finalLoss, labels);
      metrics.trainingStep(steps, labels);
      metrics.trainingTotalSteps(steps, labels);
      metrics.trainingTokensPerSecond(seconds > 0 ? tokens / seconds : 0, labels);
    },
    /** Nobody is followed any more, whatever became of it. */
    end: (): void => metrics.trainingActive(0, labels),
  };
}
