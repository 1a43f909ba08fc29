import { Context } from '@temporalio/activity';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { newestClaim } from '../artifacts/claim.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { JudgeEvaluation } from '../config/evaluation-schema.ts';
import { readJudgeEvaluation } from '../config/read-configuration.ts';
import { hashOf } from '../judge/seeds.ts';
import { fillIn } from '../serving/drivers.ts';
import { readBenchmarkPrompts } from './benchmark-prompts.ts';
import { withTrainedJudge } from './check-judge-evaluation.ts';
import { claimRun, type Owner } from './claim-run.ts';
import type { Dependencies } from './dependencies.ts';
import { reportAddress, type ResolvedEvaluation, runUris } from './open-run.ts';
import type { PlanInput } from './plan-run.ts';
import type { JudgeEvaluationPlan, RunPlan, ServedModel } from './types.ts';

/** Tells an evaluation's folder from that of a run. */
const KIND = 'judge-evaluation';

/** Claims the evaluation's folder and fixes what it was started with, as planRun does for a run. */
export async function planJudgeEvaluation(
  deps: Dependencies,
  input: PlanInput,
): Promise<JudgeEvaluationPlan> {
  const { configuration: asked, problems } = readJudgeEvaluation(input.configuration);
  if (asked === undefined) return { kind: 'refused', problems };
  const configuration = await withTrainedJudge(deps, asked);
  await rm(deps.store.path(input.marker), { force: true });
  const { workflowExecution } = Context.current().info;
  if (workflowExecution === undefined) throw new Error('planJudgeEvaluation runs in a workflow only');
  const { runName } = configuration;
  const owner = await newestClaim<Owner>(deps.store.path(runUris.owner(runName)));
  if (owner !== undefined && owner.holder.meaning['kind'] !== KIND) {
    const message = `the folder ${JSON.stringify(runName)} of the store belongs to a run that trains: choose another name`;
    return { kind: 'refused', problems: [{ path: 'runName', message }] };
  }
  const { workflowId } = workflowExecution;
  const { firstRunId } = input;
  const claimed = await claimRun(deps, runName, {
    workflowId,
    firstRunId,
    meaning: meaningOf(configuration),
  });
  if (claimed.kind === 'refused') return { kind: 'refused', problems: [claimed.problem] };
  if (claimed.kind === 'joined') {
    const { workflowId: ownerWorkflowId, firstRunId: ownerRunId } = claimed.owner;
    return { kind: 'joined', ownerWorkflowId, ownerRunId };
  }
  const { model, $schema: _schema, ...sections } = configuration;
  const resolved: ResolvedEvaluation = {
    configuration: { ...sections, models: { seed: model ?? { checkpoint: servedNameOf(configuration) } } },
    prompts: { evaluation: await readBenchmarkPrompts(deps, configuration.evaluation) },
  };
  const sha = hashOf(canonicalJson(resolved));
  const artifact = await deps.store.publish(`${runUris.configurations(runName)}/${sha}`, {
    fingerprint: { schema: 1, configuration: sha },
    records: [resolved],
  });
  const run = { runName, configuration: referenceTo(artifact) };
  const plan = planOf(configuration, run, deps.searchAttributes);
  const judge = endpointModel(configuration);
  const address = reportAddress(deps.store, runName);
  return {
    kind: 'planned',
    plan,
    configuration,
    reportAddress: address,
    warnings: [],
    ...(judge === undefined ? {} : { judge }),
  };
}

/** An evaluation is a run without iterations. */
function planOf(
  configuration: JudgeEvaluation,
  run: RunPlan['run'],
  searchAttributes: readonly string[],
): RunPlan {
  const { model, evaluation, inference, timeouts } = configuration;
  return {
    run,
    iterations: 0,
    startFrom: [],
    categorize: false,
    givenPairs: false,
    addHumanPairs: false,
    benchmarks: evaluation.benchmarks.map(({ name, purpose }) => ({ name, purpose })),
    shardsAtOnce: inference.shardsAtOnce,
    choosing: { metric: 'accuracy' },
    stopServersWhileTraining: false,
    ownModels: [],
    searchAttributes,
    seedModel: model?.checkpoint ?? servedNameOf(configuration),
    timeouts,
  };
}

/** What decides the figures, not how they are come by. */
function meaningOf(configuration: JudgeEvaluation): Fingerprint {
  const { seed, model, evaluation } = configuration;
  const { shardSize: _shards, ...meaning } = evaluation;
  const judge = model?.checkpoint ?? servedNameOf(configuration);
  return JSON.parse(canonicalJson({ kind: KIND, seed, judge, evaluation: meaning })) as Fingerprint;
}

/** The judge at somebody else's endpoint, known by its name; undefined where it is to be served first. */
function endpointModel(configuration: JudgeEvaluation): ServedModel | undefined {
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

function servedNameOf({ serving, runName, model }: JudgeEvaluation): string {
  return fillIn(serving.servedName, { runName, iteration: '0', checkpoint: model?.checkpoint ?? '' });
}
