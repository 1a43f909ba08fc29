import type { JudgeEvaluationConfiguration } from './judge-evaluation-configuration.ts';
import type { PairsJudgingConfiguration } from './pairs-judging-configuration.ts';
import { marksFingerprintInputs } from './reasoning.ts';
import type { Configuration } from './run-configuration.ts';

/**
 * The part of a configuration that determines the results of a run. It leaves out how the run is carried out:
 * where models are served, how many requests are in flight, the size of shards, and timeouts. Two runs of one
 * name with equal fingerprint inputs are the same run.
 */
export function runFingerprintInputs(configuration: Configuration) {
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
    modelSelection,
    earlyStopping,
  } = configuration;
  const { rounds, adapter } = fineTuning;
  const { reasoning, minReasoning, ...otherFiltering } = filtering;
  return {
    seed,
    iterations,
    models: Object.fromEntries(
      Object.entries(models).map(([role, model]) => [role, model?.checkpoint ?? null]),
    ),
    ...(pairs.kind === 'provided'
      ? { pairs: withoutNoTasks(withoutShards(pairs)) }
      : { instructions: instructions && withoutShards(instructions), pairs: withoutNoTasks(pairs) }),
    judging,
    ...marksFingerprintInputs(configuration),
    filtering: {
      ...otherFiltering,
      trainingPrompt: filtering.trainingPrompt ?? judging.prompt,
      ...(reasoning === 'keep' ? {} : { reasoning }),
      ...minReasoningInputs(minReasoning),
    },
    fineTuning: { rounds, adapter },
    evaluation: withoutShards(evaluation),
    modelSelection,
    earlyStopping,
  };
}

/** `filtering.minReasoning` as an input of fingerprints, to which its absence doesn't belong. */
export function minReasoningInputs(minReasoning: number | null) {
  return minReasoning === null ? {} : { minReasoning };
}

/** Leaves an empty list of tasks out, as in runs of before there were tasks. */
function withoutNoTasks<T extends { readonly tasks: readonly unknown[] }>({ tasks, ...rest }: T) {
  return tasks.length === 0 ? rest : { ...rest, tasks };
}

function withoutShards<T extends { readonly shardSize: number }>({ shardSize: _shards, ...rest }: T) {
  return rest;
}

/** The part of an evaluation's configuration that determines its figures. */
export function judgeEvaluationFingerprintInputs({
  seed,
  model,
  serving,
  evaluation,
  reasoning,
}: JudgeEvaluationConfiguration) {
  const judge = model?.checkpoint ?? serving.servedModelName;
  return { seed, judge, evaluation: withoutShards(evaluation), ...marksFingerprintInputs({ reasoning }) };
}

/** The part of a judging's configuration that determines its verdicts. */
export function pairsJudgingFingerprintInputs(judging: PairsJudgingConfiguration) {
  const { seed, model, serving, judgeFile = null, pairsFile, votes, orders, sampling = null } = judging;
  return {
    seed,
    model: model?.checkpoint ?? serving.servedModelName,
    judgeFile,
    pairsFile,
    votes,
    orders,
    sampling,
  };
}
