/** Names that the histories of workflows hold, and that other programs send: changing one breaks runs that are running. */
import type { ConfigurationKind } from '../config/configuration-kind.ts';

/** The types of the workflows that a configuration starts. */
export const WORKFLOW_TYPES = {
  run: 'selfTaughtEvaluator',
  evaluation: 'evaluateJudge',
  judging: 'judgePairsFile',
} as const satisfies Record<ConfigurationKind, string>;

/** The types of the workflows that only other workflows start. */
export const CHILD_WORKFLOW_TYPES = { shards: 'mapShards' } as const;

/** The kind of work that a workflow of this type does; undefined for any other workflow. */
export function kindOfWorkflowType(type: string): ConfigurationKind | undefined {
  const kinds = Object.keys(WORKFLOW_TYPES) as ConfigurationKind[];
  return kinds.find((kind) => WORKFLOW_TYPES[kind] === type);
}

export const QUERIES = { progress: 'progress', configuration: 'configuration' } as const;

export const UPDATES = {
  pause: 'pause',
  resume: 'resume',
  setBudget: 'setBudget',
  setIterations: 'setIterations',
  stopAfterIteration: 'stopAfterIteration',
} as const;

export const SIGNALS = {
  budgetExhausted: 'budgetExhausted',
  pauseChanged: 'pauseChanged',
  shardHandedOver: 'shardHandedOver',
  shardProgress: 'shardProgress',
  trainingNotice: 'trainingNotice',
  trainingStep: 'trainingStep',
  waitsChanged: 'waitsChanged',
} as const;

/** Types of failures that trying again cannot fix; each is the name of an error class. */
export const NON_RETRYABLE_FAILURES = [
  'FingerprintMismatch',
  'ArtifactDamaged',
  'InvalidInput',
  'TooManySkipped',
  'InvalidBenchmarkFile',
  'UnreadableFile',
  'AuthenticationFailed',
  'ModelNotFound',
  'EndpointUnsuitable',
  'TrainingFailedPermanently',
] as const;

/** Types of failures that workflows act on, or that a caller of a workflow or an update sees. */
export const FAILURES = {
  artifactDamaged: 'ArtifactDamaged',
  budgetExhausted: 'BudgetExhausted',
  invalidConfiguration: 'InvalidConfiguration',
  machineBusy: 'MachineBusy',
  ownerWorkflowFailed: 'OwnerWorkflowFailed',
  serverUnavailable: 'ServerUnavailable',
  updateRejected: 'UpdateRejected',
} as const;
export type FailureType = (typeof FAILURES)[keyof typeof FAILURES];
