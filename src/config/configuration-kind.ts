/** The three kinds of work that a configuration can start. Each has its own workflow and schema. */
import { judgeEvaluationConfigurationSchema } from './judge-evaluation-configuration.ts';
import { pairsJudgingConfigurationSchema } from './pairs-judging-configuration.ts';
import { configurationSchema } from './run-configuration.ts';

/** A run that trains, an evaluation without training, or the judging of a file of pairs. */
export type ConfigurationKind = 'run' | 'evaluation' | 'judging';

/** The name of each kind in messages. */
export const KIND_LABELS: Readonly<Record<ConfigurationKind, string>> = {
  run: 'a run',
  evaluation: 'an evaluation without training',
  judging: 'the judging of a file of pairs',
};

const RUN = Object.keys(configurationSchema.shape);
const EVALUATION = Object.keys(judgeEvaluationConfigurationSchema.shape);
const JUDGING = Object.keys(pairsJudgingConfigurationSchema.shape);
const RUN_ONLY_FIELDS = RUN.filter((field) => ![...EVALUATION, ...JUDGING].includes(field));
const JUDGING_ONLY_FIELDS = JUDGING.filter((field) => ![...EVALUATION, ...RUN].includes(field));

/**
 * Detects the kind of a configuration, even if it has mistakes. A run has a section that no other kind has,
 * and no judge of its own. A judging names pairs or how to judge them, and no benchmarks.
 */
export function detectConfigurationKind(input: object): ConfigurationKind {
  const hasAny = (fields: readonly string[]) => fields.some((field) => field in input);
  if (!('model' in input) && hasAny(RUN_ONLY_FIELDS)) return 'run';
  const isJudging = !('evaluation' in input) && hasAny(JUDGING_ONLY_FIELDS);
  return isJudging ? 'judging' : 'evaluation';
}
