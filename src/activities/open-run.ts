import { pathToFileURL } from 'node:url';
import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import { JUDGE_FILE, type JudgeFile } from '../contract/judge-file.ts';
import type { Voting } from '../judge/comparison.ts';
import type { PromptTemplate } from '../judge/prompt-template.ts';
import type { EvaluationPrompts } from './benchmark-prompts.ts';
import type { RunReference, ShardedStage } from './types.ts';

/** The prompts of a run, as text. */
export interface Prompts {
  readonly category: PromptTemplate | null;
  readonly complexity: PromptTemplate | null;
  /** Null where the pairs are given. */
  readonly respond: PromptTemplate | null;
  /** For pairs by a similar instruction, and by asking for a worse response: the one that the run makes. */
  readonly similar: PromptTemplate | null;
  readonly worse: PromptTemplate | null;
  readonly judge: PromptTemplate;
  readonly training: PromptTemplate;
  readonly evaluation: EvaluationPrompts;
}

/** A configuration with everything that it refers to by name read in: what a run was started with, whatever happens to the files. */
export interface ResolvedConfiguration {
  readonly configuration: Configuration;
  readonly prompts: Prompts;
}

/** What an evaluation without training has of a configuration: all that evaluating and serving a judge needs. */
export interface ResolvedEvaluation {
  readonly configuration: Pick<
    Configuration,
    'runName' | 'seed' | 'models' | 'serving' | 'evaluation' | 'inference' | 'timeouts'
  >;
  readonly prompts: Pick<Prompts, 'evaluation'>;
}

/** What the judging of a file has of a configuration, and what the judge's file says. */
export interface ResolvedJudging {
  readonly configuration: Pick<
    Configuration,
    'runName' | 'seed' | 'models' | 'serving' | 'inference' | 'timeouts'
  > & {
    readonly judging: { readonly pairs: string; readonly shardSize: number; readonly voting: Voting };
  };
  readonly judge: JudgeFile;
}

/** Reads what planPairsJudging has published. */
export async function openJudging(store: ArtifactStore, run: RunReference): Promise<ResolvedJudging> {
  return asJudging(await openRun(store, run));
}

/** What is read of a judging is one, whatever reads it. */
export function asJudging(resolved: unknown): ResolvedJudging {
  return resolved as ResolvedJudging;
}

/** Reads what a run and an evaluation without training have in common. */
export function openEvaluation(store: ArtifactStore, run: RunReference): Promise<ResolvedEvaluation> {
  return openRun(store, run);
}

/** This worker's store is not the one that the run is in; a worker that has it may take the work. */
class AnotherStore extends Error {
  override readonly name = 'AnotherStore';
}

/**
 * Reads the resolved configuration that planRun has published.
 * @throws AnotherStore where it isn't there: worth another try, by another worker
 */
export async function openRun(store: ArtifactStore, run: RunReference): Promise<ResolvedConfiguration> {
  if ((await store.manifest(run.configuration.uri)) === undefined) {
    throw new AnotherStore(
      `the store of this worker, ${store.root}, does not hold the run ${run.runName}: workers of one task queue share one ` +
        'store (--store, or SELF_TAUGHT_EVALUATOR_STORE); give workers with another store a queue of their own (--task-queue)',
    );
  }
  const [resolved] = await store.records<ResolvedConfiguration>(run.configuration);
  if (resolved === undefined) throw new InputProblem(`${run.configuration.uri} holds no configuration`);
  return resolved;
}

/** The places of a run's artifacts. Each name follows from run, iteration and stage alone. */
export const runUris = {
  owner: (run: string) => `${run}/owner`,
  configurations: (run: string) => `${run}/configurations`,
  pool: (run: string) => `${run}/instructions/pool`,
  categories: (run: string) => `${run}/instructions/categories`,
  selected: (run: string) => `${run}/instructions/selected`,
  pairs: (run: string) => `${run}/pairs`,
  humanPairs: (run: string) => `${run}/human-pairs`,
  /** All pairs that are judged, where human ones stand beside the generated ones. */
  judgedPairs: (run: string) => `${run}/judged-pairs`,
  /** Of a judging: the pairs of its file, what the judge said about each, and all of that in one artifact. */
  givenPairs: (run: string) => `${run}/given-pairs`,
  comparisons: (run: string) => `${run}/comparisons`,
  verdicts: (run: string) => `${run}/verdicts`,
  benchmark: (run: string, name: string) => `${run}/benchmarks/${name}`,
  judgments: (run: string, iteration: number) => `${run}/iteration-${iteration}/judgments`,
  trainingSet: (run: string, iteration: number) => `${run}/iteration-${iteration}/training-set`,
  training: (run: string, iteration: number) => `${run}/iteration-${iteration}/training`,
  /**
   * `judge.json` of a judge: beside the folder of its model, never in it, because what lies there is the model, known by
   * the hash of its files.
   */
  judgeFile: (run: string, iteration: number) =>
    iteration === 0
      ? `${run}/iteration-0/${JUDGE_FILE}`
      : `${run}/iteration-${iteration}/training/${JUDGE_FILE}`,
  evaluation: (run: string, iteration: number, name: string) =>
    `${run}/iteration-${iteration}/evaluation/${name}`,
  scores: (run: string, iteration: number, name: string) =>
    `${run}/iteration-${iteration}/evaluation/${name}/scores`,
  /** What is made for use elsewhere (docs/outputs.md). */
  modelFolder: (run: string) => `${run}/outputs/model`,
  datasetFolder: (run: string) => `${run}/outputs/datasets`,
  exportedSet: (run: string, iteration: number) => `${run}/outputs/datasets/iteration-${iteration}`,
  report: (run: string) => `${run}/report.html`,
  result: (run: string) => `${run}/result.json`,
  /** Where it stood when its report was last written (src/runs/state.ts). */
  state: (run: string) => `${run}/state.json`,
} as const;

/** Where a run's report is, or is going to be, as an address that a browser on a machine with the store opens. */
export function reportAddress(store: ArtifactStore, run: string): string {
  return pathToFileURL(store.path(runUris.report(run))).href;
}

/** The stage folder and index of each sharded stage. */
export function stageUri(stage: ShardedStage, run: string, iteration: number, benchmark?: string): string {
  switch (stage) {
    case 'categorizeInstructions':
      return runUris.categories(run);
    case 'generatePairs':
      return runUris.pairs(run);
    case 'judgePairs':
      return runUris.judgments(run, iteration);
    case 'compareResponses':
      return runUris.comparisons(run);
    case 'evaluateBenchmark':
      if (benchmark === undefined) throw new Error('evaluateBenchmark needs the name of a benchmark');
      return runUris.evaluation(run, iteration, benchmark);
  }
}
