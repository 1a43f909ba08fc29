import { judgedIteration, judgedSoFar, reusesJudgments } from '../method/judged-iterations.ts';
import { judgmentsOfExample } from '../method/plans.ts';
import { recipeOf, type Round } from '../models/training/recipes/registry.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import type { Problem } from '../platform/problem.ts';
import { quantity } from '../platform/quantity.ts';
import { reusedJudgments, teachesVerdictsAlone } from './fine-tuning.ts';
import type { PartialConfiguration } from './run-configuration.ts';

/** Finds iterations that would have nothing to learn from, or would be judged by a judge that can't. */
export function iterationProblems(usable: PartialConfiguration): Problem[] {
  return [
    ...directProblems(usable),
    ...directPromptProblems(usable),
    ...partsProblems(usable),
    ...planProblems(usable),
    ...contrastProblems(usable),
    ...passRateProblems(usable),
    ...reuseProblems(usable),
  ];
}

/** Finds rounds whose judge has learned verdicts alone, though it judges the pairs of the next iteration with reasons. */
function directProblems({ iterations, fineTuning }: PartialConfiguration): Problem[] {
  const rounds = fineTuning?.rounds ?? [];
  const reused = reusedJudgments({ rounds });
  return rounds.flatMap((round, index) => {
    const isRepeated = index === rounds.length - 1 && (iterations ?? 0) > rounds.length;
    const isLast = index + 1 >= (iterations ?? rounds.length) && !isRepeated;
    const judges = !isLast && !reusesJudgments(reused, index + 2);
    if (!teachesVerdictsAlone(round) || !judges) return [];
    const message =
      'found 1, but the judge that has learned verdicts alone judges the next iteration, with reasons: ' +
      'make it the round of the last iteration, or set mode to "beside"';
    return [{ path: `fineTuning.rounds.${index}.direct.share`, message }];
  });
}

/** Finds rounds that teach verdicts with reasons and without under the same prompt. */
function directPromptProblems({ judging, filtering, fineTuning }: PartialConfiguration): Problem[] {
  if (judging === undefined || filtering === undefined) return [];
  const [field, reasoned] =
    filtering.trainingPrompt === undefined
      ? ['judging.prompt', judging.prompt]
      : ['filtering.trainingPrompt', filtering.trainingPrompt];
  return (fineTuning?.rounds ?? []).flatMap((round, index) => {
    const direct = 'direct' in round ? round.direct : undefined;
    if (direct?.prompt !== reasoned || teachesVerdictsAlone(round)) return [];
    const message =
      `found ${JSON.stringify(reasoned)}, as in ${field}: the judge would learn to answer one prompt both with reasons and without; ` +
      'name a prompt that asks for the verdict alone';
    return [{ path: `fineTuning.rounds.${index}.direct.prompt`, message }];
  });
}

/** Finds parts of the pairs that no iteration judges, and parts that cannot have enough examples. */
function partsProblems({
  iterations,
  instructions,
  pairs,
  filtering,
  fineTuning,
}: PartialConfiguration): Problem[] {
  if (pairs === undefined || pairs.parts === 1) return [];
  const path = 'pairs.parts';
  const judging =
    iterations === undefined || fineTuning === undefined
      ? iterations
      : judgedSoFar(reusedJudgments(fineTuning), iterations);
  if (judging !== undefined && pairs.parts > judging) {
    const message = `found ${pairs.parts}, but the run judges in ${quantity(judging, 'iteration')}: no iteration would judge the pairs of the others; set ${judging} at most`;
    return [{ path, message }];
  }
  const most = pairs.kind === 'provided' ? pairs.maxPairs : (instructions?.maxInstructions ?? null);
  if (most === null || filtering === undefined) return [];
  if (filtering.humanData.length > 0 || pairs.tasks.length > 0) return [];
  const perExample = Math.min(...(fineTuning?.rounds ?? []).map((round) => mostOfExample(round, filtering)));
  const perPair = 2 * perExample * (1 + 2 * pairs.limits.length);
  const examples = Math.floor(most / pairs.parts) * perPair;
  if (examples >= filtering.minExamples) return [];
  const message =
    `found ${pairs.parts}, but a part of ${most} pairs gives ${examples} training examples at most, fewer than ` +
    `filtering.minExamples (${filtering.minExamples}): set fewer parts, or make more pairs`;
  return [{ path, message }];
}

/** The most training examples that a round makes of the judgments of an example. */
function mostOfExample(
  round: Round,
  { judgmentsPerExample }: { readonly judgmentsPerExample: number },
): number {
  if ('preferencePairsPerExample' in round) return round.preferencePairsPerExample;
  const isBeside = 'direct' in round && round.direct?.mode === 'beside';
  return judgmentsPerExample * (isBeside ? 2 : 1);
}

/** Finds settings under which plans would all be the same, or judgments would not belong to all plans alike. */
function planProblems({ judging, fineTuning }: PartialConfiguration): Problem[] {
  if (judging?.plan === undefined) return [];
  const { plan, strategy } = judging;
  const problems: Problem[] = [];
  if (strategy.kind !== 'all') {
    const message =
      `found ${JSON.stringify(strategy.kind)}, but judging.plan has the same number of judgments follow each plan: ` +
      'set the strategy to {"kind": "all"}, or remove the plan';
    problems.push({ path: 'judging.strategy.kind', message });
  }
  if (plan.sampling.temperature === 0 && plan.samples > 1) {
    const message =
      'found 0, at which every plan is the same: set a temperature above 0, or judging.plan.samples to 1';
    problems.push({ path: 'judging.plan.sampling.temperature', message });
  }
  if (judging.sampling.temperature === 0 && judging.samples > 1) {
    const message =
      'found 0, at which every judgment that follows a plan is the same: set a temperature above 0, or judging.samples to 1';
    problems.push({ path: 'judging.sampling.temperature', message });
  }
  if (fineTuning?.rounds.every((round) => recipeOf(round).rows.columns.length === 0) === true) {
    const methods = [...new Set(fineTuning.rounds.map(({ method }) => method))].join(', ');
    const message = `set, but no round of fineTuning.rounds (${methods}) learns the judgments that follow plans: remove it, or add a round that does`;
    problems.push({ path: 'judging.plan', message });
  }
  return problems;
}

/** Finds rounds that learn from differences between the judgments of an example, if these can't differ. */
function contrastProblems({ judging, fineTuning }: PartialConfiguration): Problem[] {
  const contrasting = fineTuning?.rounds.find((round) => recipeOf(round).rows.format === 'preference');
  if (judging === undefined || contrasting === undefined) return [];
  const { samples, sampling, plan } = judging;
  const needs = `a round of ${contrasting.method} needs a correct and an incorrect judgment of the same ${plan === undefined ? 'example' : 'plan'}`;
  if (samples === 1) return [{ path: 'judging.samples', message: `found 1, but ${needs}: set 2 or more` }];
  if (sampling.temperature > 0 || plan !== undefined) return [];
  const message = `found 0, at which every sample is the same, but ${needs}: set a temperature above 0`;
  return [{ path: 'judging.sampling.temperature', message }];
}

/** Finds pass rates that leave only pairs or records which the judge always or never gets right: reinforcement learns nothing from them. */
function passRateProblems({ judging, pairs, fineTuning }: PartialConfiguration): Problem[] {
  if (judging === undefined) return [];
  // A single response has one order, and no plans.
  const single = pairs?.tasks.find(({ task }) => task !== 'rank');
  const judged = [
    { one: 'a pair', others: 'pairs', all: 2 * judgmentsOfExample(judging) },
    ...(single ? [{ one: `a record of ${single.task}`, others: 'records', all: judging.samples }] : []),
  ];
  return (fineTuning?.rounds ?? []).flatMap((round, index) => {
    if (!('passRate' in round)) return [];
    const { min, max } = round.passRate;
    const empty = judged.find(({ all }) => {
      const between = Array.from({ length: all - 1 }, (_, correct) => (correct + 1) / all);
      return !between.some((share) => share >= min && share <= max);
    });
    if (empty === undefined || (min === 0 && max === 1)) return [];
    const { one, others, all } = empty;
    const message =
      `found ${min} to ${max}, but the judge is right in 1/${all} to ${all - 1}/${all} of the ${all} judgments of ${one} if it is neither ` +
      `always nor never right, and other ${others} teach nothing: widen it, or sample more judgments`;
    return [{ path: `fineTuning.rounds.${index}.passRate`, message }];
  });
}

/** Finds rounds that reuse judgments where none are before, or that repeat a training on the same judgments. */
function reuseProblems({ iterations, fineTuning }: PartialConfiguration): Problem[] {
  const rounds = fineTuning?.rounds ?? [];
  const problem = (index: number, why: string) => ({
    path: `fineTuning.rounds.${index}.judgments`,
    message: `found "reuse" ${why}`,
  });
  const settingsOf = (round: Round) => canonicalJson({ ...round, judgments: undefined });
  const reused = reusedJudgments({ rounds });
  const problems: Problem[] = rounds.flatMap((round, index) => {
    if (round.judgments === undefined || round.initFrom === 'previous') return [];
    const judged = judgedIteration(reused, index + 1) - 1;
    const same = rounds.findIndex(
      (other, number) => number >= judged && number < index && settingsOf(other) === settingsOf(round),
    );
    if (same < 0) return [];
    const why = `to train from the seed model with the settings of fineTuning.rounds.${same}, which has the same judgments: set initFrom to "previous", or other settings`;
    return [problem(index, why)];
  });
  if (rounds[0]?.judgments !== undefined)
    problems.push(
      problem(0, 'in the first round, before which nothing is judged: remove it, or put a round before it'),
    );
  else if (rounds.at(-1)?.judgments !== undefined && (iterations ?? 0) > rounds.length)
    problems.push(
      problem(
        rounds.length - 1,
        `in the last round, which iterations ${rounds.length} to ${iterations} repeat, all on the same judgments: ` +
          `set iterations to ${rounds.length}, or add a round that judges`,
      ),
    );
  return problems;
}
