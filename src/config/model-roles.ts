import { type Serving, servingDriverOf } from '../models/serving/drivers/registry.ts';
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

/** Returns whether the judges that a run trains are served as adapters of the seed model. */
export function servesAdapters(configuration: Pick<Configuration, 'models' | 'serving'>): boolean {
  const driver = servingDriverOf(servingOf(configuration, 'seed'));
  return driver.needsMachine && driver.adapters !== undefined;
}

/** Returns whether a training may start from another model than the seed model, so that its adapter fits no server of that. */
export function leavesSeedModel({ fineTuning: { rounds } }: Pick<Configuration, 'fineTuning'>): boolean {
  // M_1 always starts from the seed model, and the last round repeats.
  return rounds.some(({ initFrom }, index) => initFrom === 'previous' && (index > 0 || rounds.length === 1));
}

/** Returns whether trainings keep their adapter beside the model that it is merged into. */
export function keepsAdapter(
  configuration: Pick<Configuration, 'models' | 'serving' | 'fineTuning'>,
): boolean {
  const { adapter } = configuration.fineTuning;
  return adapter.kind === 'lora' && (adapter.saveAdapter || servesAdapters(configuration));
}
