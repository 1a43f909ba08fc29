import { workflowInfo } from '@temporalio/workflow';
import type { PreparedBenchmark } from '../datasets/benchmark-overlaps.ts';
import type { StageDescription } from './progress-tracker.ts';

/** A stage of a run. */
export type StageId = Pick<StageDescription, 'name' | 'iteration'>;

/** The id of the child workflow that runs a stage, or the beginning of the ids of several. */
export function childIdOf({ name, iteration }: StageId): string {
  return `${workflowInfo().workflowId}/${iteration}/${name}`;
}

/** The number of shards of some benchmarks together. */
export function shardsOf(benchmarks: readonly PreparedBenchmark[]): number {
  return benchmarks.reduce((sum, { pairs }) => sum + pairs.records, 0);
}

/** @param step of a checkpoint of the iteration's training */
export function judgeName(iteration: number, step: number | undefined): string {
  return `M_${iteration}${step === undefined ? '' : ` of step ${step}`}`;
}
