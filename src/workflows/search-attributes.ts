import { defineSearchAttributeKey, type SearchAttributePair } from '@temporalio/common';
import type { RunProgress } from '../contract/progress.ts';

/** What runs can be found by: `temporal workflow list --query "EvaluatorPhase = 'working'"`. */
export const SEARCH_ATTRIBUTES = {
  run: defineSearchAttributeKey('EvaluatorRun', 'KEYWORD'),
  phase: defineSearchAttributeKey('EvaluatorPhase', 'KEYWORD'),
  /** The iteration that is under way; at the end the last one. */
  iteration: defineSearchAttributeKey('EvaluatorIteration', 'INT'),
  /** Of the best judge so far, on the benchmark that the run chooses by; 0 to 1. */
  bestAccuracy: defineSearchAttributeKey('EvaluatorBestAccuracy', 'DOUBLE'),
  seedModel: defineSearchAttributeKey('EvaluatorSeedModel', 'KEYWORD'),
} as const;

/**
 * A run's search attributes, those alone that the namespace has: an unknown one would stop the run without a word
 * (the workflow task fails, and is tried again for ever).
 */
export function searchAttributesOf(
  { runName, phase, paused, stages, completed, best }: RunProgress,
  seedModel: string,
  registered: readonly string[],
): SearchAttributePair[] {
  const { run, phase: phaseKey, iteration, bestAccuracy, seedModel: seedModelKey } = SEARCH_ATTRIBUTES;
  const underWay = stages.map((stage) => stage.iteration);
  const evaluations = completed.find((judge) => judge.iteration === best)?.evaluations ?? [];
  const chosenBy = evaluations.find(({ purpose }) => purpose === 'validation') ?? evaluations[0];
  const pairs: SearchAttributePair[] = [
    { key: run, value: runName },
    { key: phaseKey, value: paused === undefined ? phase : 'paused' },
    { key: iteration, value: Math.max(0, ...underWay, ...completed.map((judge) => judge.iteration)) },
    { key: seedModelKey, value: seedModel },
    ...(chosenBy === undefined ? [] : [{ key: bestAccuracy, value: chosenBy.accuracy }]),
  ];
  return pairs.filter(({ key }) => registered.includes(key.name));
}
