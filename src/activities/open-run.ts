import { pathToFileURL } from 'node:url';
import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Configuration } from '../config/schema.ts';
import type { PromptTemplate } from '../judge/prompt-template.ts';
import type { EvaluationPrompts } from './benchmark-prompts.ts';
import type { RunReference } from './types.ts';

/** The prompts of a run, as text. */
export interface Prompts {
  readonly category: PromptTemplate | null;
  readonly complexity: PromptTemplate | null;
  readonly respond: PromptTemplate;
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
  benchmark: (run: string, name: string) => `${run}/benchmarks/${name}`,
  judgments: (run: string, iteration: number) => `${run}/iteration-${iteration}/judgments`,
  trainingSet: (run: string, iteration: number) => `${run}/iteration-${iteration}/training-set`,
  training: (run: string, iteration: number) => `${run}/iteration-${iteration}/training`,
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
export function stageUri(
  stage: 'categorizeInstructions' | 'generatePairs' | 'judgePairs' | 'evaluateBenchmark',
  run: string,
  iteration: number,
  benchmark?: string,
): string {
  switch (stage) {
    case 'categorizeInstructions':
      return runUris.categories(run);
    case 'generatePairs':
      return runUris.pairs(run);
    case 'judgePairs':
      return runUris.judgments(run, iteration);
    case 'evaluateBenchmark':
      if (benchmark === undefined) throw new Error('evaluateBenchmark needs the name of a benchmark');
      return runUris.evaluation(run, iteration, benchmark);
  }
}
