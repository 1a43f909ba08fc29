import { GENERATED } from '../method/mix-sources.ts';
import { judgmentsOfExample } from '../method/plans.ts';
import { pickedTemplate } from '../platform/command-template.ts';
import { selectingBenchmarks } from '../method/model-selection.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { recipeOf } from '../models/training/recipes/registry.ts';
import { iterationProblems } from './iteration-problems.ts';
import type { Problem } from '../platform/problem.ts';
import type { PartialConfiguration } from './run-configuration.ts';

/** Finds settings of different sections that contradict each other. */
export function crossSectionProblems(usable: PartialConfiguration): Problem[] {
  return [
    ...samplingProblems(usable),
    ...recipeProblems(usable),
    ...iterationProblems(usable),
    ...taskProblems(usable),
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

/** Finds rounds that learn from pairs only, though other tasks are judged for them. */
function taskProblems({ pairs, fineTuning }: PartialConfiguration): Problem[] {
  const index = (fineTuning?.rounds ?? []).findIndex((round) => recipeOf(round).learnsTasks === undefined);
  const round = fineTuning?.rounds[index];
  if (pairs === undefined || pairs.tasks.length === 0 || round === undefined) return [];
  const message =
    `found ${pairs.tasks.map(({ task }) => task).join(', ')}, but fineTuning.rounds.${index} has the method "${round.method}", which learns ` +
    'from pairs only: remove the tasks, or use "sft" or "grpo"';
  return [{ path: 'pairs.tasks', message }];
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
