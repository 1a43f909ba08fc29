import { isPreparationStage } from '../../api/stages.ts';
import { MODEL_ROLES, type ModelRole } from '../../config/model-roles.ts';
import type { Configuration } from '../../config/run-configuration.ts';

/** The role of the model to which a stage sends requests. Trained judges have the price of the seed model. */
export function roleOfStage(stage: string, iteration: number, models: Configuration['models']): ModelRole {
  const [seed, generator, firstJudge] = MODEL_ROLES;
  const role = isPreparationStage(stage)
    ? generator
    : (stage === 'planJudgments' || stage === 'judgePairs') && iteration === 1
      ? firstJudge
      : seed;
  return models[role] === undefined ? seed : role;
}
