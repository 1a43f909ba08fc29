import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import { currentIteration } from '../api/current-iteration.ts';
import type { RunProgress } from '../api/progress.ts';

/** The search attributes of runs: `temporal workflow list --query "EvaluatorStatus = 'running'"`. */
export const SEARCH_ATTRIBUTES = {
  run: defineSearchAttributeKey('EvaluatorRun', 'KEYWORD'),
  status: defineSearchAttributeKey('EvaluatorStatus', 'KEYWORD'),
  /** The current iteration; at the end the last one. */
  iteration: defineSearchAttributeKey('EvaluatorIteration', 'INT'),
  /** The accuracy of the best judge so far, on the benchmark that selects the model; 0 to 1. */
  bestAccuracy: defineSearchAttributeKey('EvaluatorBestAccuracy', 'DOUBLE'),
  seedModel: defineSearchAttributeKey('EvaluatorSeedModel', 'KEYWORD'),
  /** The comparison of an evaluation with earlier figures: `none`, `worse`, `better` or `not-compared`. */
  drift: defineSearchAttributeKey('EvaluatorDrift', 'KEYWORD'),
} as const;

/**
 * A run's search attributes, restricted to those that the namespace has: an unknown one would make the workflow task fail
 * and be retried for ever.
 */
export function searchAttributesOf(
  progress: RunProgress,
  seedModel: string,
  registered: readonly string[],
): SearchAttributePair[] {
  const { run, status: statusKey, iteration, bestAccuracy, seedModel: seedModelKey } = SEARCH_ATTRIBUTES;
  const { runName, status, completedIterations: completed, best, drift } = progress;
  const evaluations = completed.find((judge) => judge.iteration === best)?.evaluations ?? [];
  const chosenBy = evaluations.find(({ purpose }) => purpose === 'validation') ?? evaluations[0];
  const pairs: SearchAttributePair[] = [
    { key: run, value: runName },
    { key: statusKey, value: status },
    { key: iteration, value: currentIteration(progress) },
    { key: seedModelKey, value: seedModel },
    ...(chosenBy === undefined ? [] : [{ key: bestAccuracy, value: chosenBy.accuracy }]),
    ...(drift === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.drift, value: drift }]),
  ];
  return pairs.filter(({ key }) => registered.includes(key.name));
}
