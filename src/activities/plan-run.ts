import { Context } from '@temporalio/activity';
import { rm } from 'node:fs/promises';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import { referenceTo } from '../artifacts/store.ts';
import { missingPrices } from '../config/budget.ts';
import { readPrompt } from '../config/input-files.ts';
import { meaningOf } from '../config/meaning.ts';
import { readConfiguration } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import { hashOf } from '../judge/seeds.ts';
import type { PromptTemplate } from '../judge/prompt-template.ts';
import type { Limits } from '../format/amounts.ts';
import { earlierSpending } from '../spending/earlier-spending.ts';
import { readBenchmarkPrompts } from './benchmark-prompts.ts';
import type { BudgetNow } from './budget.ts';
import { neededPrompts } from './check-configuration.ts';
import { claimRun } from './claim-run.ts';
import type { Dependencies } from './dependencies.ts';
import { reportAddress, runUris, type Prompts, type ResolvedConfiguration } from './open-run.ts';
import { redoStages } from './redo-stages.ts';
import { MODEL_ROLES, type PlanResult, type RunPlan } from './types.ts';

export interface PlanInput {
  /** As the user wrote it. */
  readonly configuration: unknown;
  readonly firstRunId: string;
  readonly marker: string;
}

/**
 * Claims the run and fixes what it was started with: the configuration with its defaults and the prompts' text become
 * an artifact, so that a file that changes later changes nothing that is under way.
 */
export async function planRun(deps: Dependencies, input: PlanInput): Promise<PlanResult> {
  const { configuration, problems } = readConfiguration(input.configuration);
  if (configuration === undefined) return { kind: 'refused', problems };
  await rm(deps.store.path(input.marker), { force: true });
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new Error('planRun runs in a workflow only');
  const { workflowId } = workflowExecution;
  const meaning = JSON.parse(canonicalJson(meaningOf(configuration))) as Fingerprint;
  const claimed = await claimRun(deps, configuration.runName, {
    workflowId,
    firstRunId: input.firstRunId,
    meaning,
  });
  if (claimed.kind === 'refused') return { kind: 'refused', problems: [claimed.problem] };
  if (claimed.kind === 'joined') {
    return {
      kind: 'joined',
      ownerWorkflowId: claimed.owner.workflowId,
      ownerRunId: claimed.owner.firstRunId,
    };
  }
  if (configuration.redo !== undefined) {
    const problem = await redoStages(deps.store, configuration, configuration.redo, input.firstRunId);
    if (problem !== undefined) return { kind: 'refused', problems: [problem] };
  }
  const run = {
    runName: configuration.runName,
    configuration: await publishResolved(deps, configuration),
  };
  const budget = await openLedger(deps, configuration);
  return {
    kind: 'planned',
    plan: {
      ...planOf(configuration, run, deps.searchAttributes),
      ...(budget === undefined ? {} : { budget }),
    },
    configuration,
    reportAddress: reportAddress(deps.store, configuration.runName),
    warnings: warningsOf(configuration),
  };
}

/** Puts the configured budget in force, whatever was in force before; returns it with what was spent so far. */
async function openLedger(
  { ledgers, store }: Dependencies,
  configuration: Configuration,
): Promise<BudgetNow | undefined> {
  const ledger = ledgers.of(configuration.runName);
  await ledger.begin(() => earlierSpending(store, configuration));
  const limits: Limits = JSON.parse(JSON.stringify(configuration.budget ?? {})) as Limits;
  await ledger.limit(limits);
  return Object.keys(limits).length === 0 ? undefined : { limits, spent: ledger.spent(configuration.prices) };
}

/** Publishes the configuration with the text of its prompts, under the hash of both. */
export async function publishResolved(
  deps: Dependencies,
  configuration: Configuration,
): Promise<ArtifactReference> {
  const resolved: ResolvedConfiguration = { configuration, prompts: await readPrompts(deps, configuration) };
  const sha = hashOf(canonicalJson(resolved));
  const artifact = await deps.store.publish(`${runUris.configurations(configuration.runName)}/${sha}`, {
    fingerprint: { schema: 1, configuration: sha },
    records: [resolved],
  });
  return referenceTo(artifact);
}

/** What the workflow needs to know of a configuration. */
export function planOf(
  configuration: Configuration,
  run: RunPlan['run'],
  searchAttributes: readonly string[],
): RunPlan {
  const { models, serving, publish, instructions } = configuration;
  return {
    run,
    iterations: configuration.iterations,
    startFrom: configuration.fineTuning.rounds.map((round) => round.startFrom),
    givenPairs: configuration.pairs.kind === 'given',
    categorize: (instructions?.categories ?? instructions?.complexity ?? null) !== null,
    addHumanPairs: configuration.filtering.humanData.length > 0,
    benchmarks: configuration.evaluation.benchmarks.map(({ name, purpose }) => ({ name, purpose })),
    shardsAtOnce: configuration.inference.shardsAtOnce,
    choosing: { ...configuration.choosing, earlyStopping: configuration.earlyStopping ?? undefined },
    stopServersWhileTraining: serving.kind === 'command' && serving.stopWhileTraining,
    ownModels: MODEL_ROLES.filter((role) => role !== 'seed' && models[role] !== undefined),
    searchAttributes,
    seedModel: models.seed.checkpoint,
    ...(publish === undefined ? {} : { publish: { tryForHours: publish.tryForHours } }),
    missingPrices: missingPrices(configuration),
    timeouts: configuration.timeouts,
  };
}

function warningsOf({ evaluation, choosing, earlyStopping }: Configuration): string[] {
  const paths = (purpose: string) =>
    evaluation.benchmarks.filter((benchmark) => benchmark.purpose === purpose).map(({ path }) => path);
  const shared = paths('validation').filter((path) => paths('test').includes(path));
  const warnings = shared.map(
    (path) =>
      `${path} is both validation and test: the checkpoint was chosen on the figures that are reported for it.`,
  );
  const chosenBy = evaluation.benchmarks.find(({ name }) => name === choosing.benchmark);
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

/** Reads the text of every prompt that a configuration names. */
export async function readPrompts(
  deps: Pick<Dependencies, 'files'>,
  configuration: Configuration,
): Promise<Prompts> {
  const byPath = new Map<string, PromptTemplate>();
  for (const { path, folder, needed } of neededPrompts(configuration)) {
    byPath.set(path, await readPrompt(deps.files, folder, needed));
  }
  const prompt = (path: string): PromptTemplate => {
    const found = byPath.get(path);
    if (found === undefined) throw new Error(`${path} was not read`);
    return found;
  };
  return {
    category: byPath.get('instructions.categories.prompt') ?? null,
    complexity: byPath.get('instructions.complexity.prompt') ?? null,
    respond: byPath.get('pairs.respondPrompt') ?? null,
    similar: byPath.get('pairs.similarPrompt') ?? null,
    worse: byPath.get('pairs.worsePrompt') ?? null,
    judge: prompt('judging.prompt'),
    training: byPath.get('filtering.trainingPrompt') ?? prompt('judging.prompt'),
    evaluation: await readBenchmarkPrompts(deps, configuration.evaluation),
  };
}
