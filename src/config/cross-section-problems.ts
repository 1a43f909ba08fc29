import { GENERATED } from '../method/mix-sources.ts';
import { judgedSoFar } from '../method/judged-iterations.ts';
import { judgmentsOfExample } from '../method/plans.ts';
import { pickedTemplate } from '../platform/command-template.ts';
import { selectingBenchmarks } from '../method/model-selection.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { recipeOf } from '../models/training/recipes/registry.ts';
import { reusedJudgments, teachesVerdictsAlone } from './fine-tuning.ts';
import type { Problem } from '../platform/problem.ts';
import type { PartialConfiguration } from './run-configuration.ts';

/** Finds settings of different sections that contradict each other. */
export function crossSectionProblems(usable: PartialConfiguration): Problem[] {
  return [
    ...samplingProblems(usable),
    ...recipeProblems(usable),
    ...directProblems(usable),
    ...partsProblems(usable),
    ...planProblems(usable),
    ...reuseProblems(usable),
    ...humanDataProblems(usable),
    ...modelSelectionProblems(usable),
    ...checkpointSelectionProblems(usable),
  ];
}

function samplingProblems({ judging, filtering }: PartialConfiguration): Problem[] {
  if (judging === undefined || filtering === undefined) return [];
  const { samples, strategy, sampling } = judging;
  const { target, majorityThreshold, judgmentsPerExample } = filtering;
  const problems: Problem[] = [];
  const needsAll = (path: string, found: unknown, why: string) =>
    problems.push({
      path,
      message: `found ${JSON.stringify(found)}, which ${why} of all N samples, so set judging.strategy to {"kind": "all"}, not "until-correct"`,
    });
  const most = judgmentsOfExample(judging);
  if (judgmentsPerExample > most) {
    const product = judging.plan === undefined ? 'judging.samples' : 'judging.plan.samples x judging.samples';
    const message = `found ${judgmentsPerExample}, more than ${product} (${most}), the judgments that an example has`;
    problems.push({ path: 'filtering.judgmentsPerExample', message });
  }
  if (strategy.kind === 'all') return problems;
  if (target === 'majority-vote') needsAll('filtering.target', target, 'counts the verdicts');
  if (majorityThreshold !== null)
    needsAll('filtering.majorityThreshold', majorityThreshold, 'is a share of the correct ones');
  if (strategy.initialBatchSize > samples) {
    const message = `found ${strategy.initialBatchSize}, more than judging.samples (${samples}): the first batch would be all of them`;
    problems.push({ path: 'judging.strategy.initialBatchSize', message });
  }
  if (sampling.temperature === 0 && samples > 1) {
    const message =
      'found 0, at which every sample is the same: "until-correct" would sample an incorrect one N times; ' +
      'set a temperature above 0, or judging.samples to 1';
    problems.push({ path: 'judging.sampling.temperature', message });
  }
  return problems;
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
  if (fineTuning?.rounds.every((round) => recipeOf(round).rows.columns.length === 0) === true) {
    const methods = [...new Set(fineTuning.rounds.map(({ method }) => method))].join(', ');
    const message = `set, but no round of fineTuning.rounds (${methods}) learns the judgments that follow plans: remove it, or add a round that does`;
    problems.push({ path: 'judging.plan', message });
  }
  return problems;
}

/** Finds rounds that reuse judgments where none are before, or that repeat a training on the same judgments. */
function reuseProblems({ iterations, fineTuning }: PartialConfiguration): Problem[] {
  const rounds = fineTuning?.rounds ?? [];
  const problem = (index: number, why: string) => ({
    path: `fineTuning.rounds.${index}.judgments`,
    message: `found "reuse" ${why}`,
  });
  const problems: Problem[] = [];
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

/** Finds settings that contradict the recipes of the rounds. */
function recipeProblems({ judging, filtering, fineTuning }: PartialConfiguration): Problem[] {
  const byMethod = Map.groupBy(fineTuning?.rounds ?? [], ({ method }) => method);
  return [...byMethod.values()].flatMap((sameMethod) =>
    sameMethod[0] === undefined
      ? []
      : recipeOf(sameMethod[0]).problems(
          { ...(judging && { judging }), ...(filtering && { filtering }) },
          sameMethod,
          byMethod.size === 1,
        ),
  );
}

/** Finds rounds whose judge has learned verdicts alone, though it judges the pairs of the next iteration with reasons. */
function directProblems({ iterations, fineTuning }: PartialConfiguration): Problem[] {
  const rounds = fineTuning?.rounds ?? [];
  return rounds.flatMap((round, index) => {
    const isRepeated = index === rounds.length - 1 && (iterations ?? 0) > rounds.length;
    const isLast = index + 1 >= (iterations ?? rounds.length) && !isRepeated;
    if (!teachesVerdictsAlone(round) || isLast) return [];
    const message =
      'found 1, but the judge that has learned verdicts alone judges the next iteration, with reasons: ' +
      'make it the round of the last iteration, or set mode to "beside"';
    return [{ path: `fineTuning.rounds.${index}.direct.share`, message }];
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
    const which = judging === iterations ? 'iterations' : 'iterations that judge';
    const message = `found ${pairs.parts}, more than the ${judging} ${which}: no iteration would judge the pairs of the others; set ${judging} at most`;
    return [{ path, message }];
  }
  const most = pairs.kind === 'provided' ? pairs.maxPairs : (instructions?.maxInstructions ?? null);
  if (most === null || filtering === undefined || filtering.humanData.length > 0) return [];
  const perPair = 2 * filtering.judgmentsPerExample * (1 + 2 * pairs.limits.length);
  const examples = Math.floor(most / pairs.parts) * perPair;
  if (examples >= filtering.minExamples) return [];
  const message =
    `found ${pairs.parts}, but a part of ${most} pairs gives ${examples} training examples at most, fewer than ` +
    `filtering.minExamples (${filtering.minExamples}): set fewer parts, or make more pairs`;
  return [{ path, message }];
}

function humanDataProblems({ filtering }: PartialConfiguration): Problem[] {
  if (filtering === undefined) return [];
  const { humanData, generatedWeight } = filtering;
  const problems: Problem[] = [];
  if (generatedWeight === 0 && humanData.length === 0) {
    const message = 'found 0 without filtering.humanData: there would be nothing to train on';
    problems.push({ path: 'filtering.generatedWeight', message });
  }
  humanData.forEach(({ name }, index) => {
    const path = `filtering.humanData.${index}.name`;
    const first = humanData.findIndex((other) => other.name === name);
    if (name === GENERATED)
      problems.push({
        path,
        message: `found "${GENERATED}", the name of the pairs that the run generates`,
      });
    else if (first !== index)
      problems.push({
        path,
        message: `found "${name}", the name of filtering.humanData.${first}: give each an own name`,
      });
  });
  return problems;
}

function modelSelectionProblems({ modelSelection, evaluation }: PartialConfiguration): Problem[] {
  const { benchmark } = modelSelection ?? {};
  if (benchmark === undefined || evaluation === undefined) return [];
  const names = evaluation.benchmarks.map(({ name }) => name);
  if (names.includes(benchmark)) return [];
  const message = `found ${JSON.stringify(benchmark)}, which is not among evaluation.benchmarks: ${names.join(', ')}`;
  return [{ path: 'modelSelection.benchmark', message }];
}

/** Finds rounds that select a checkpoint if nothing can choose it, or if the checkpoints can't be served in turn. */
function checkpointSelectionProblems(usable: PartialConfiguration): Problem[] {
  const reason = noSelectionReason(usable);
  if (reason === undefined) return [];
  return (usable.fineTuning?.rounds ?? []).flatMap(({ selectCheckpoint }, index) =>
    selectCheckpoint === undefined
      ? []
      : [
          {
            path: `fineTuning.rounds.${index}.selectCheckpoint`,
            message: `found ${JSON.stringify(selectCheckpoint)}, ${reason}`,
          },
        ],
  );
}

function noSelectionReason({
  evaluation,
  modelSelection,
  models,
  serving,
}: PartialConfiguration): string | undefined {
  const { benchmark } = modelSelection ?? {};
  if (evaluation !== undefined && selectingBenchmarks(evaluation.benchmarks, { benchmark }).length === 0)
    return benchmark === undefined
      ? 'but no benchmark of evaluation.benchmarks has the purpose "validation", which would choose the checkpoint: add one'
      : `but modelSelection.benchmark names ${JSON.stringify(benchmark)}, which is not a benchmark with the purpose "validation": test figures must not choose a checkpoint`;
  const settings = models?.seed.serving ?? serving;
  if (models === undefined || settings === undefined || namesEachCheckpoint(settings)) return undefined;
  return (
    `but ${models.seed.serving === undefined ? 'serving' : 'models.seed.serving'} does not tell the checkpoints of one training apart: ` +
    'write {checkpoint} in servedModelName, or in the command of the server'
  );
}

function namesEachCheckpoint(settings: NonNullable<PartialConfiguration['serving']>): boolean {
  const driver = servingDriverOf(settings);
  if (driver.needsMachine && driver.adapters !== undefined) return true;
  // A template of the worker's policy may contain anything: it is not known here.
  if ('command' in settings && pickedTemplate(settings.command) !== undefined) return true;
  const { servedModelName } = settings;
  const command = driver.needsMachine && 'command' in settings ? settings.command : [];
  return [servedModelName, ...command].some((text) => text.includes('{checkpoint}'));
}
