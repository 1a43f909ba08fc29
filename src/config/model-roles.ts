import type { Serving } from '../models/serving/drivers/registry.ts';
import type { Configuration } from './run-configuration.ts';

/** The models that a configuration names. The judges of later iterations are trained by the run. */
export const MODEL_ROLES = ['seed', 'generator', 'firstJudge'] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

/** Returns the model of a role: its own, or the seed model. */
export function modelOfRole(configuration: Pick<Configuration, 'models'>, role: ModelRole) {
  return configuration.models[role] ?? configuration.models.seed;
}

/** Returns how the model of a role is served. */
export function servingOf(
  configuration: Pick<Configuration, 'models' | 'serving'>,
  role: ModelRole,
): Serving {
  return modelOfRole(configuration, role).serving ?? configuration.serving;
}
