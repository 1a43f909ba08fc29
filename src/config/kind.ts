/** The three kinds of work that are started by a configuration: each has a workflow and a schema of its own. */
import { judgeEvaluationSchema } from './evaluation-schema.ts';
import { pairsJudgingSchema } from './pairs-judging-schema.ts';
import { configurationSchema } from './schema.ts';

/** A run that trains, an evaluation without training, or the judging of a file of pairs. */
export type Kind = 'run' | 'evaluation' | 'judging';

/** The type of each kind's workflow. */
export const WORKFLOW_TYPES = {
  run: 'selfTaughtEvaluator',
  evaluation: 'evaluateJudge',
  judging: 'judgePairs',
} as const satisfies Record<Kind, string>;

/** How each is called in what is said to a person. */
export const CALLED: Readonly<Record<Kind, string>> = {
  run: 'a run',
  evaluation: 'an evaluation without training',
  judging: 'the judging of a file of pairs',
};

/** The kind of work that a workflow of this type does; undefined for any other workflow. */
export function kindOfWorkflow(type: string): Kind | undefined {
  const kinds = Object.keys(WORKFLOW_TYPES) as Kind[];
  return kinds.find((kind) => WORKFLOW_TYPES[kind] === type);
}

const RUN = Object.keys(configurationSchema.shape);
const EVALUATION = Object.keys(judgeEvaluationSchema.shape);
const JUDGING = Object.keys(pairsJudgingSchema.shape);
const OF_RUNS_ALONE = RUN.filter((field) => ![...EVALUATION, ...JUDGING].includes(field));
const OF_JUDGINGS_ALONE = JUDGING.filter((field) => ![...EVALUATION, ...RUN].includes(field));

/**
 * What a configuration is meant as, whether it is right or not: a run has a section that nothing else has, and no judge of
 * its own; a judging names pairs or how they are judged, and no benchmarks.
 */
export function kindOf(input: object): Kind {
  const hasAny = (fields: readonly string[]) => fields.some((field) => field in input);
  if (!('model' in input) && (hasAny(OF_RUNS_ALONE) || hasSection(input, 'pairs'))) return 'run';
  const isJudging = !('evaluation' in input) && hasAny(['pairs', ...OF_JUDGINGS_ALONE]);
  return isJudging ? 'judging' : 'evaluation';
}

/** The pairs of a run are a section, those of a judging a file. */
function hasSection(input: object, field: string): boolean {
  const value = (input as Readonly<Record<string, unknown>>)[field];
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
