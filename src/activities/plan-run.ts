import { Context } from '@temporalio/activity';
import { canonicalJson } from '../platform/canonical-json.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { missingPrices } from '../config/budget-problems.ts';
import { runFingerprintInputs } from '../config/fingerprint-inputs.ts';
import { reusedJudgments } from '../config/fine-tuning.ts';
import { parseConfiguration } from '../config/parse-configuration.ts';
import type { Configuration } from '../config/run-configuration.ts';
import type { BudgetLimits } from '../api/budget.ts';
import type { BudgetStatus } from '../api/budget.ts';
import { claimRun } from '../runs/claim-run.ts';
import type { Dependencies } from './dependencies.ts';
import { publishResolved, type ResolvedConfiguration } from '../runs/open-run.ts';
import { reportUrl } from '../runs/run-layout.ts';
import { readPrompts } from '../runs/prompts.ts';
import { archiveStages } from '../runs/archive-stages.ts';
import type { PlanResult, RunPlan } from '../api/activity-types.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { leavesSeedModel, MODEL_ROLES, servingOf } from '../config/model-roles.ts';
import { launcherOf } from '../models/training/launchers/registry.ts';

export interface PlanInput {
  /** The configuration as the user wrote it. */
  readonly configuration: unknown;
  readonly firstRunId: string;
  readonly storeProbe: string;
}

/**
 * Claims the run and stores its resolved configuration: the configuration with its defaults, and the text of its
 * prompts. Later changes of these files don't affect the run.
 */
export async function planRun(deps: Dependencies, input: PlanInput): Promise<PlanResult> {
  const { configuration, problems } = parseConfiguration(input.configuration);
  if (configuration === undefined) return { kind: 'rejected', problems };
  await deps.store.objects.delete(input.storeProbe);
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new Error('planRun can only run in a workflow');
  const { workflowId } = workflowExecution;
  const fingerprint = JSON.parse(canonicalJson(runFingerprintInputs(configuration))) as Fingerprint;
  const claimed = await claimRun(deps, configuration.runName, {
    workflowId,
    firstRunId: input.firstRunId,
    fingerprint,
  });
  if (claimed.kind === 'rejected') return { kind: 'rejected', problems: [claimed.problem] };
  if (claimed.kind === 'joined') {
    return {
      kind: 'joined',
      ownerWorkflowId: claimed.owner.workflowId,
      ownerRunId: claimed.owner.firstRunId,
    };
  }
  if (configuration.rerunFrom !== undefined) {
    const problem = await archiveStages(deps.store, configuration, configuration.rerunFrom, input.firstRunId);
    if (problem !== undefined) return { kind: 'rejected', problems: [problem] };
  }
  const run = {
    runName: configuration.runName,
    configuration: await publishResolvedConfiguration(deps, configuration),
  };
  const budget = await applyBudget(deps, configuration);
  return {
    kind: 'planned',
    plan: {
      ...toRunPlan(configuration, run, deps.searchAttributes),
      ...(budget === undefined ? {} : { budget }),
    },
    configuration,
    reportUrl: reportUrl(deps.store, configuration.runName),
    warnings: configurationWarnings(configuration),
  };
}

/** Sets the configured limits in place of earlier ones. Returns them with the usage so far. */
async function applyBudget(
  { ledgers }: Dependencies,
  configuration: Configuration,
): Promise<BudgetStatus | undefined> {
  const ledger = ledgers.forRun(configuration.runName);
  const limits: BudgetLimits = JSON.parse(JSON.stringify(configuration.budget ?? {})) as BudgetLimits;
  await ledger.setLimits(limits);
  return Object.keys(limits).length === 0 ? undefined : { limits, usage: ledger.usage(configuration.prices) };
}

/** Publishes the configuration with the text of its prompts, under the hash of both. */
export async function publishResolvedConfiguration(
  deps: Dependencies,
  configuration: Configuration,
): Promise<ArtifactReference> {
  const resolved: ResolvedConfiguration = { configuration, prompts: await readPrompts(deps, configuration) };
  return publishResolved(deps.store, configuration.runName, resolved);
}

/** The part of the configuration that the workflow needs. */
export function toRunPlan(
  configuration: Configuration,
  run: RunPlan['run'],
  searchAttributes: readonly string[],
): RunPlan {
  const { models, publish, publishTo, instructions, fineTuning, budget, prices } = configuration;
  const servings = MODEL_ROLES.map((role) => {
    const serving = servingOf(configuration, role);
    const driver = servingDriverOf(serving);
    if (!driver.needsMachine) return { role, onMachine: false, stops: false, gpus: 0 };
    // Judges that fit no server of the seed model have servers of their own, of which there must not be more and more.
    const isWhole = role === 'seed' && driver.adapters !== undefined && leavesSeedModel(configuration);
    const stops = isWhole || driver.stopsWhileTraining(serving);
    return { role, onMachine: true, stops, gpus: driver.gpus(serving) };
  });
  const judging = servings.filter(
    ({ role }) => role === 'seed' || (role === 'firstJudge' && models.firstJudge !== undefined),
  );
  const trainsElsewhere = launcherOf(fineTuning.launcher).processOf === undefined;
  return {
    run,
    iterations: configuration.iterations,
    initFrom: fineTuning.rounds.map((round) => round.initFrom),
    ...(fineTuning.rounds.every(({ judgments }) => judgments === undefined)
      ? {}
      : { reusedJudgments: reusedJudgments(fineTuning) }),
    ...(configuration.judging.plan === undefined ? {} : { plansJudgments: true as const }),
    usesProvidedPairs: configuration.pairs.kind === 'provided',
    categorizesInstructions: (instructions?.categories ?? instructions?.complexity ?? null) !== null,
    ...(configuration.pairs.tasks.length === 0 ? {} : { trainsTasks: true as const }),
    addsHumanPairs: configuration.filtering.humanData.length > 0,
    benchmarks: configuration.evaluation.benchmarks.map(({ name, purpose }) => ({ name, purpose })),
    concurrentShards: configuration.inference.concurrentShards,
    modelSelection: {
      ...configuration.modelSelection,
      earlyStopping: configuration.earlyStopping ?? undefined,
    },
    stopServersWhileTraining: judging.some(({ stops }) => stops === true)
      ? 'always'
      : judging.some(({ stops }) => stops === null)
        ? 'ifTooFewGpus'
        : 'never',
    gpusWhileTraining: gpusTogether([
      trainsElsewhere ? 0 : fineTuning.gpus,
      ...judging.map(({ gpus }) => gpus),
    ]),
    trainsElsewhere,
    rolesOnMachine: servings.filter(({ onMachine }) => onMachine).map(({ role }) => role),
    overlaps: prices === undefined && Object.values(budget ?? {}).every((limit) => limit === undefined),
    rolesWithOwnModel: MODEL_ROLES.filter((role) => role !== 'seed' && models[role] !== undefined),
    searchAttributes,
    seedModel: models.seed.checkpoint,
    ...(publish === undefined ? {} : { publish: { retryHours: publish.retryHours } }),
    ...(publishTo === undefined ? {} : { publishTo }),
    missingPrices: missingPrices(configuration),
    timeouts: configuration.timeouts,
  };
}

/** The GPUs that several uses of a machine need at the same time; null if one of them needs all, and another one some. */
function gpusTogether(uses: readonly (number | null)[]): number | null {
  const some = uses.filter((gpus) => gpus !== 0);
  if (some.length <= 1) return 0;
  return some.reduce((sum, gpus) => (sum === null || gpus === null ? null : sum + gpus), 0);
}

function configurationWarnings({ evaluation, modelSelection, earlyStopping }: Configuration): string[] {
  const paths = (purpose: string) =>
    evaluation.benchmarks.filter((benchmark) => benchmark.purpose === purpose).map(({ path }) => path);
  const shared = paths('validation').filter((path) => paths('test').includes(path));
  const warnings = shared.map(
    (path) =>
      `${path} is both validation and test: the checkpoint was chosen on the figures that are reported for it.`,
  );
  const chosenBy = evaluation.benchmarks.find(({ name }) => name === modelSelection.benchmark);
  if (chosenBy?.purpose === 'test') {
    warnings.push(`The checkpoint was chosen on ${chosenBy.name}, whose purpose is "test".`);
  } else if (paths('validation').length === 0) {
    const use =
      earlyStopping === null
        ? 'choose the best checkpoint by'
        : 'choose the best checkpoint and stop early by';
    warnings.push(
      `No benchmark has the purpose "validation": there is nothing to ${use} but the test figures.`,
    );
  }
  return warnings;
}
