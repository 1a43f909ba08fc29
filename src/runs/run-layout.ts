import { JUDGE_FILE } from '../api/judge-file.ts';
import type { ShardInput } from '../api/activity-types.ts';
import type { ShardedStage } from '../api/stages.ts';
import type { ArtifactReference } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';

/** The names of a run's artifacts. Each name is determined by run, iteration and stage. */
export const runUris = {
  owner: (run: string) => `${run}/owner`,
  configurations: (run: string) => `${run}/configurations`,
  pool: (run: string) => `${run}/instructions/pool`,
  categories: (run: string) => `${run}/instructions/categories`,
  selected: (run: string) => `${run}/instructions/selected`,
  pairs: (run: string) => `${run}/pairs`,
  humanPairs: (run: string) => `${run}/human-pairs`,
  /** All judged pairs: human ones beside the generated ones. */
  judgedPairs: (run: string) => `${run}/judged-pairs`,
  /** The records of tasks beyond pairs, and all that is judged: the records beside the pairs. */
  taskRecords: (run: string) => `${run}/task-records`,
  judgedItems: (run: string) => `${run}/judged-items`,
  /** The artifacts of a judging: the pairs of its file, the judgments of each, and the combined verdicts. */
  providedPairs: (run: string) => `${run}/provided-pairs`,
  comparisons: (run: string) => `${run}/comparisons`,
  verdicts: (run: string) => `${run}/verdicts`,
  benchmark: (run: string, name: string) => `${run}/benchmarks/${name}`,
  /** Plans for judgments of the same iteration, if it has them. */
  plans: (run: string, iteration: number) => `${run}/iteration-${iteration}/plans`,
  judgments: (run: string, iteration: number) => `${run}/iteration-${iteration}/judgments`,
  trainingSet: (run: string, iteration: number) => `${run}/iteration-${iteration}/training-set`,
  /** The judge of an iteration, `model/` with its `result.json`; also the folder of its trainer, unless that is `trainer`. */
  training: (run: string, iteration: number) => `${run}/iteration-${iteration}/training`,
  /** The folder of the trainer if validation chooses among its checkpoints: the chosen one is moved to `training`. */
  trainer: (run: string, iteration: number) => `${run}/iteration-${iteration}/trainer`,
  /**
   * The place of a judge's `judge.json`: beside the folder of its model and never in it, because a model is
   * identified by the hashes of all files in its folder.
   */
  judgeFile: (run: string, iteration: number) =>
    iteration === 0
      ? `${run}/iteration-0/${JUDGE_FILE}`
      : `${run}/iteration-${iteration}/training/${JUDGE_FILE}`,
  /** @param step of a checkpoint that is evaluated before one is chosen */
  evaluation: (run: string, iteration: number, name: string, step?: number) =>
    step === undefined
      ? `${run}/iteration-${iteration}/evaluation/${name}`
      : `${run}/iteration-${iteration}/trainer/evaluation/step-${step}/${name}`,
  scores: (run: string, iteration: number, name: string, step?: number) =>
    `${runUris.evaluation(run, iteration, name, step)}/scores`,
  /** The outputs for use outside of the store (docs/outputs.md). */
  modelFolder: (run: string) => `${run}/outputs/model`,
  datasetFolder: (run: string) => `${run}/outputs/datasets`,
  exportedSet: (run: string, iteration: number) => `${run}/outputs/datasets/iteration-${iteration}`,
  report: (run: string) => `${run}/report.html`,
  result: (run: string) => `${run}/result.json`,
  /** The state of the run when its report was last written (src/runs/run-state.ts). */
  state: (run: string) => `${run}/state.json`,
} as const;

/** The address of a run's existing or future report, for a browser on a machine with access to the store. */
export function reportUrl(store: ArtifactStore, run: string): string {
  return store.objects.url(runUris.report(run));
}

/** Returns whether a shard of what is judged has records of tasks beyond pairs, not pairs. */
export function hasTaskRecords({ uri }: Pick<ArtifactReference, 'uri'>): boolean {
  return /\/task-records\/[^/]+$/.test(uri);
}

/** The stage folder and index of each sharded stage. */
export function stageUri(
  stage: ShardedStage,
  run: string,
  { iteration, benchmark, step }: Pick<ShardInput, 'iteration' | 'benchmark' | 'step'>,
): string {
  switch (stage) {
    case 'categorizeInstructions':
      return runUris.categories(run);
    case 'generatePairs':
      return runUris.pairs(run);
    case 'planJudgments':
      return runUris.plans(run, iteration);
    case 'judgePairs':
      return runUris.judgments(run, iteration);
    case 'compareResponses':
      return runUris.comparisons(run);
    case 'evaluateBenchmark':
      if (benchmark === undefined) throw new Error('evaluateBenchmark needs the name of a benchmark');
      return runUris.evaluation(run, iteration, benchmark, step);
  }
}
