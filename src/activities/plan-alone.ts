/** What an evaluation without training and the judging of a file have in common when they are planned. */
import { Context } from '@temporalio/activity';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { newestClaim } from '../artifacts/claim.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { JudgeEvaluation } from '../config/evaluation-schema.ts';
import { fillIn } from '../serving/drivers.ts';
import { claimRun, type Owner } from './claim-run.ts';
import type { Dependencies } from './dependencies.ts';
import { runUris } from './open-run.ts';
import type { PlanInput } from './plan-run.ts';
import type { JudgeEvaluationPlan, RunPlan, ServedModel } from './types.ts';

/** The sections that serve a judge. */
type Served = Pick<JudgeEvaluation, 'runName' | 'model' | 'serving'>;

/** What a folder of the store is claimed for, and told from others by: `kind` of the claim's meaning. */
const KINDS = {
  'judge-evaluation': 'an evaluation',
  'pairs-judging': 'the judging of a file',
} as const;

/**
 * Claims the folder for the workflow that asks.
 * @param meaning with its `kind`
 * @returns undefined where it is owned now
 */
export async function claimAlone(
  deps: Dependencies,
  runName: string,
  { firstRunId, marker }: PlanInput,
  meaning: Fingerprint & { readonly kind: keyof typeof KINDS },
): Promise<Exclude<JudgeEvaluationPlan, { kind: 'planned' }> | undefined> {
  await rm(deps.store.path(marker), { force: true });
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new Error('planning runs in a workflow only');
  const owner = await newestClaim<Owner>(deps.store.path(runUris.owner(runName)));
  const kind = owner?.holder.meaning['kind'];
  if (owner !== undefined && kind !== meaning.kind) {
    const whose = KINDS[kind as keyof typeof KINDS] ?? 'a run that trains';
    const message = `the folder ${JSON.stringify(runName)} of the store belongs to ${whose}: choose another name`;
    return { kind: 'refused', problems: [{ path: 'runName', message }] };
  }
  const { workflowId } = workflowExecution;
  const claimed = await claimRun(deps, runName, { workflowId, firstRunId, meaning });
  if (claimed.kind === 'refused') return { kind: 'refused', problems: [claimed.problem] };
  if (claimed.kind === 'owned') return undefined;
  const { workflowId: ownerWorkflowId, firstRunId: ownerRunId } = claimed.owner;
  return { kind: 'joined', ownerWorkflowId, ownerRunId };
}

/** It is a run without iterations. */
export function planAlone(
  configuration: Served & Pick<JudgeEvaluation, 'inference' | 'timeouts'>,
  run: RunPlan['run'],
  benchmarks: RunPlan['benchmarks'],
  searchAttributes: readonly string[],
): RunPlan {
  const { inference, timeouts } = configuration;
  return {
    run,
    iterations: 0,
    startFrom: [],
    categorize: false,
    givenPairs: false,
    addHumanPairs: false,
    benchmarks,
    shardsAtOnce: inference.shardsAtOnce,
    choosing: { metric: 'accuracy' },
    stopServersWhileTraining: false,
    ownModels: [],
    searchAttributes,
    seedModel: judgeName(configuration),
    timeouts,
  };
}

/** The judge at somebody else's endpoint, known by its name; undefined where it is to be served first. */
export function endpointModel(configuration: Served): ServedModel | undefined {
  const { serving, model } = configuration;
  if (serving.kind !== 'endpoint') return undefined;
  const servedName = servedNameOf(configuration);
  const checkpoint = model?.checkpoint ?? servedName;
  const { baseUrl, apiKeyVariable } = serving;
  return {
    checkpoint,
    sha256: createHash('sha256').update(`endpoint ${servedName} ${checkpoint}`).digest('hex'),
    baseUrl,
    servedName,
    ...(apiKeyVariable === undefined ? {} : { apiKeyVariable }),
  };
}

/** What the judge is called: its checkpoint, else its name at the endpoint. */
export function judgeName(configuration: Served): string {
  return configuration.model?.checkpoint ?? servedNameOf(configuration);
}

function servedNameOf({ serving, runName, model }: Served): string {
  return fillIn(serving.servedName, { runName, iteration: '0', checkpoint: model?.checkpoint ?? '' });
}
