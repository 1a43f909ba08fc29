import type { JudgeEvaluation } from './evaluation-schema.ts';
import type { PairsJudging } from './pairs-judging-schema.ts';
import type { Configuration } from './schema.ts';

/**
 * The part of a configuration that decides what comes out of a run, without how it is carried out: where models are
 * served, how many requests are in flight, how work is cut and timed. Two runs of one name whose meaning is the same
 * are the same run.
 */
export function meaningOf(configuration: Configuration) {
  const {
    seed,
    iterations,
    models,
    instructions,
    pairs,
    judging,
    filtering,
    fineTuning,
    evaluation,
    choosing,
    earlyStopping,
  } = configuration;
  const { rounds, adapter } = fineTuning;
  return {
    seed,
    iterations,
    models: Object.fromEntries(
      Object.entries(models).map(([role, model]) => [role, model?.checkpoint ?? null]),
    ),
    ...(pairs.kind === 'given'
      ? { pairs: withoutShards(pairs) }
      : { instructions: instructions && withoutShards(instructions), pairs }),
    judging,
    filtering: { ...filtering, trainingPrompt: filtering.trainingPrompt ?? judging.prompt },
    fineTuning: { rounds, adapter },
    evaluation: withoutShards(evaluation),
    choosing,
    earlyStopping,
  };
}

function withoutShards<T extends { readonly shardSize: number }>({ shardSize: _shards, ...rest }: T) {
  return rest;
}

/** The same of an evaluation without training: what decides the figures. */
export function evaluationMeaningOf({ seed, model, serving, evaluation }: JudgeEvaluation) {
  const judge = model?.checkpoint ?? serving.servedName;
  return { seed, judge, evaluation: withoutShards(evaluation) };
}

/** The same of judging a file of pairs: what decides the verdicts. */
export function pairsJudgingMeaningOf(judging: PairsJudging) {
  const { seed, model, serving, judge = null, pairs, votes, orders, sampling = null } = judging;
  return { seed, model: model?.checkpoint ?? serving.servedName, judge, pairs, votes, orders, sampling };
}
