/** The common part of planning an evaluation without training and the judging of a file. */
import { Context } from '@temporalio/activity';
import { createHash } from 'node:crypto';
import type { Fingerprint } from '../store/artifact.ts';
import type { JudgeEvaluationConfiguration } from '../config/judge-evaluation-configuration.ts';
import { servedModelNameOf } from '../models/serving/drivers/driver.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { claimRun, type RunOwner } from '../runs/claim-run.ts';
import type { Dependencies } from './dependencies.ts';
import { runUris } from '../runs/run-layout.ts';
import type { PlanInput } from './plan-run.ts';
import type { JudgeEvaluationPlan, RunPlan, ServedModel } from '../api/activity-types.ts';

/** The sections that serve a judge. */
type ServingSections = Pick<JudgeEvaluationConfiguration, 'runName' | 'model' | 'serving'>;

/**
 * The kinds of work other than a run that a folder of the store is claimed for, by the field `kind` of the fingerprint
 * in the claim.
 */
const CLAIM_KINDS = {
  'judge-evaluation': 'an evaluation',
  'pairs-judging': 'the judging of a file',
} as const;

/**
 * Claims the folder for the workflow of this activity.
 * @returns undefined if the workflow owns the folder now
 */
export async function claimStandalone(
  deps: Dependencies,
  runName: string,
  { firstRunId, storeProbe }: PlanInput,
  fingerprint: Fingerprint & { readonly kind: keyof typeof CLAIM_KINDS },
): Promise<Exclude<JudgeEvaluationPlan, { kind: 'planned' }> | undefined> {
  await deps.store.objects.delete(storeProbe);
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new Error('planning can only run in a workflow');
  const owner = (await deps.store.latestClaim<RunOwner>(runUris.owner(runName)))?.holder;
  const kind = owner?.fingerprint['kind'];
  if (owner !== undefined && kind !== fingerprint.kind) {
    const ownerKind = CLAIM_KINDS[kind as keyof typeof CLAIM_KINDS] ?? 'a run that trains';
    const message = `the folder ${JSON.stringify(runName)} of the store belongs to ${ownerKind}: choose another name`;
    return { kind: 'rejected', problems: [{ path: 'runName', message }] };
  }
  const { workflowId } = workflowExecution;
  const claimed = await claimRun(deps, runName, { workflowId, firstRunId, fingerprint });
  if (claimed.kind === 'rejected') return { kind: 'rejected', problems: [claimed.problem] };
  if (claimed.kind === 'owned') return undefined;
  const { workflowId: ownerWorkflowId, firstRunId: ownerRunId } = claimed.owner;
  return { kind: 'joined', ownerWorkflowId, ownerRunId };
}

/** Makes a plan without iterations. */
export function standalonePlan(
  configuration: ServingSections & Pick<JudgeEvaluationConfiguration, 'inference' | 'timeouts'>,
  run: RunPlan['run'],
  benchmarks: RunPlan['benchmarks'],
  searchAttributes: readonly string[],
): RunPlan {
  const { inference, timeouts } = configuration;
  return {
    run,
    iterations: 0,
    initFrom: [],
    categorizesInstructions: false,
    usesProvidedPairs: false,
    addsHumanPairs: false,
    benchmarks,
    concurrentShards: inference.concurrentShards,
    modelSelection: { metric: 'accuracy' },
    stopServersWhileTraining: 'never',
    gpusWhileTraining: 0,
    trainsElsewhere: false,
    rolesWithOwnModel: [],
    rolesOnMachine: [],
    overlaps: false,
    searchAttributes,
    seedModel: standaloneJudgeName(configuration),
    timeouts,
  };
}

/** The judge at an external endpoint, identified by its name there; undefined if a worker has to serve it first. */
export function endpointModel(configuration: ServingSections): ServedModel | undefined {
  const { serving, model } = configuration;
  const driver = servingDriverOf(serving);
  if (driver.needsMachine) return undefined;
  const { baseUrl, apiKeyEnv, apiKeyHeader } = driver.addresses(serving);
  const servedModelName = servedNameOf(configuration);
  const checkpoint = model?.checkpoint ?? servedModelName;
  return {
    checkpoint,
    sha256: createHash('sha256').update(`endpoint ${servedModelName} ${checkpoint}`).digest('hex'),
    baseUrl,
    servedModelName,
    ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
    ...(apiKeyHeader === undefined ? {} : { apiKeyHeader }),
  };
}

/** The name of the judge: its checkpoint, or else its name at the endpoint. */
export function standaloneJudgeName(configuration: ServingSections): string {
  return configuration.model?.checkpoint ?? servedNameOf(configuration);
}

function servedNameOf({ serving, runName, model }: ServingSections): string {
  return servedModelNameOf(serving, { runName, iteration: 0, checkpoint: model?.checkpoint ?? '' });
}
