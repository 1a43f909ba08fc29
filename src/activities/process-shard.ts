import { FAILURES } from '../api/temporal-names.ts';
import { ApplicationFailure } from '@temporalio/activity';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { ArtifactReference, Fingerprint } from '../store/artifact.ts';
import { resumeShard } from '../store/resume-shard.ts';
import {
  type EndOfAttempt,
  type SkippedRecord,
  type ResumableShard,
  UnitFailed,
  type RequestUsage,
  type ShardRecord,
} from '../store/shard-types.ts';
import { readShardReferences, shardUri } from '../store/shards.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import { EndpointUnavailable, ModelNotFound, RequestRejected } from '../models/inference/errors.ts';
import type { Choice } from '../models/inference/chat-answer.ts';
import type { CompletionRequest, SendReason } from '../models/inference/completion.ts';
import { endpointsOf } from '../models/inference/endpoint.ts';
import { requireLogprobs } from '../models/inference/require-logprobs.ts';
import type { ChatMessage } from '../method/prompt-template.ts';
import { currentWorkflowId } from './current-workflow.ts';
import { shardHandOver } from './hand-over-shard.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { Dependencies } from './dependencies.ts';
import type { ResolvedModels } from '../runs/open-run.ts';
import { stageUri } from '../runs/run-layout.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import type { Model, RunReference, ServedModel, ShardInput, ShardResult } from '../api/activity-types.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { servingOf } from '../config/model-roles.ts';
import type { ShardedStage } from '../api/stages.ts';
import { BudgetExhausted } from '../runs/usage/usage-ledger.ts';
import { roleOfStage } from '../runs/usage/model-role.ts';

/**
 * Sends a request to the shard's model. If the model rejects it, its unit is skipped; other failures end the attempt.
 */
export type SendRequest = (request: {
  readonly messages: readonly ChatMessage[];
  readonly sampling: SamplingParameters;
  readonly samples: number;
  readonly seed: number;
  /** Asks for log-probabilities, which the answer then has. */
  readonly topLogprobs?: number | undefined;
}) => Promise<ModelAnswer>;

/** The samples of a model in the order of their seeds, and their usage in total. */
interface ModelAnswer {
  readonly choices: readonly Choice[];
  readonly usage: RequestUsage;
}

/** The part of the work on a shard that differs between stages. */
export interface ShardTask<
  Item,
  Unit extends { readonly id: string },
  Entry extends ShardRecord,
  Result,
> extends Pick<ResumableShard<Unit, Entry, Result>, 'assembleResults' | 'countResults'> {
  /** The fingerprint inputs of the shard's result, except the model, the seed and the input. */
  readonly fingerprintInputs: Fingerprint;
  readonly units: (items: readonly Item[]) => readonly Unit[];
  readonly work: (
    unit: Unit,
    existing: readonly Entry[],
    emit: (record: Entry) => void,
    ask: SendRequest,
  ) => Promise<void>;
}

/** How often a shard looks if the endpoints of its model are down. */
const OUTAGE_CHECK_SECONDS = 5;

/** Processes a shard of any stage: reads its items, sends the missing requests, and publishes the results once. */
export async function processShard<
  Resolved extends ResolvedModels,
  Item,
  Unit extends { readonly id: string },
  Entry extends ShardRecord,
  Result,
>(
  deps: Dependencies,
  stage: ShardedStage,
  input: ShardInput,
  open: (store: ArtifactStore, run: RunReference) => Promise<Resolved>,
  describe: (
    resolved: Resolved,
  ) => ShardTask<Item, Unit, Entry, Result> | Promise<ShardTask<Item, Unit, Entry, Result>>,
): Promise<ShardResult> {
  return withHeartbeats(async ({ signal, report, wait }) => {
    const reading = readShardReferences(deps.store, input.input);
    // The store of another run explains a missing index better.
    reading.catch(() => undefined);
    const resolved = await open(deps.store, input.run);
    const { configuration } = resolved;
    const shards = await reading;
    const shard = shards[input.shard];
    if (shard === undefined) throw new InvalidInput(`${input.input.uri} has no shard ${input.shard}`);
    const {
      fingerprintInputs,
      units,
      work,
      assembleResults: assemble,
      countResults: count,
    } = await describe(resolved);
    const ledger = deps.ledgers.forRun(input.run.runName);
    const role = roleOfStage(stage, input.iteration, configuration.models);
    const budgetGuard: RequestBudgetGuard = {
      // A sample that the server left out belongs to a request that was already admitted.
      admit: (sending) =>
        sending === 'missing-sample'
          ? ledger.recordRequest(role)
          : ledger.admitRequest(role, configuration.prices),
      settle: (usage) => ledger.recordTokens(role, usage),
    };
    const labels = { stage, benchmark: input.benchmark ?? '' };
    const countSkipped = (kind: SkippedRecord['kind'], reason: string) =>
      deps.metrics.unitsSkipped(1, { ...labels, kind, reason });
    const apiKey = keyOf(configuration, input.model);
    const endpoints = endpointsOf({ ...input.model, apiKey }, input.model.servedModelName);
    const outageTimer = setInterval(
      () => wait(deps.inference.outage(endpoints)?.text),
      1000 * OUTAGE_CHECK_SECONDS,
    );
    const working = resumeShard<Unit, Entry, Result>(deps.store, {
      uri: shardUri(stageUri(stage, input.run.runName, input), input.shard),
      fingerprint: shardFingerprint(configuration, input.model, shard, fingerprintInputs),
      units: units(await deps.store.readRecords<Item>(shard)),
      processUnit: async (unit, existing, emit, end) => {
        const ask: SendRequest = (request) =>
          sendModelRequest(deps, { ...input, endpoints }, request, budgetGuard, end);
        const counted = (record: Entry) => {
          emit(record);
          deps.metrics.records(1, labels);
        };
        try {
          await work(unit, existing, counted, ask);
        } catch (error) {
          if (error instanceof UnitFailed) countSkipped('failed', error.reason);
          throw error;
        }
      },
      assembleResults: (unit, records) => {
        const assembled = assemble(unit, records);
        if ('reason' in assembled) countSkipped(assembled.kind, assembled.reason);
        return assembled;
      },
      countResults: count,
      concurrency: deps.stagePlaces.ofShard(
        {
          workflowId: currentWorkflowId(),
          shards: shards.length,
          placesPerShard: configuration.inference.concurrentRequestsPerShard,
          concurrentShards: configuration.inference.concurrentShards,
        },
        { shard: input.shard, handOver: shardHandOver(deps.temporal, { shard: input.shard }) },
      ),
      maxSkippedShare: configuration.inference.maxSkippedShare,
      signal: AbortSignal.any([signal, deps.stopping]),
      finishSeconds: deps.shutdownGraceSeconds,
      onProgress: report,
    }).finally(() => clearInterval(outageTimer));
    const manifest = await ledger.settleAfter(working).catch((error: unknown) => {
      if (!(error instanceof BudgetExhausted)) throw error;
      throw new BudgetExhausted(error.limits, deps.inference.notices(endpoints));
    });
    const hasBudget = Object.keys(ledger.limits).length > 0;
    const warnings = deps.inference.notices(endpoints);
    return {
      counts: manifest.counts,
      ...(hasBudget ? { usage: ledger.usage(configuration.prices) } : {}),
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  });
}

/**
 * The fingerprint of a shard's result: the stage's own fingerprint inputs, the model, the seed and the input shard.
 */
export function shardFingerprint(
  { seed }: { readonly seed: number },
  model: Pick<Model, 'sha256'>,
  input: Pick<ArtifactReference, 'sha256'>,
  fingerprintInputs: Fingerprint,
): Fingerprint {
  return { schema: 1, seed, model: model.sha256, input: input.sha256, ...fingerprintInputs };
}

/** The key of a server that the run starts, if its settings contain it: histories don't. */
function keyOf(
  configuration: ResolvedModels['configuration'],
  { servedFor }: ServedModel,
): string | undefined {
  if (servedFor === undefined) return undefined;
  const serving = servingOf(configuration, servedFor.role);
  const driver = servingDriverOf(serving);
  return driver.needsMachine ? driver.key?.(serving) : undefined;
}

/** Checks the budget before each request of a shard and records its usage. */
interface RequestBudgetGuard {
  readonly admit: (sending: SendReason) => Promise<void>;
  readonly settle: (usage: RequestUsage) => Promise<void>;
}

async function sendModelRequest(
  deps: Dependencies,
  { model, endpoints }: ShardInput & Pick<CompletionRequest, 'endpoints'>,
  request: Parameters<SendRequest>[0],
  budgetGuard: RequestBudgetGuard,
  { stop, abort }: EndOfAttempt,
): Promise<ModelAnswer> {
  if (model.prunedReason !== undefined) throw new InvalidInput(model.prunedReason);
  try {
    const { choices, usage, uncounted, requests, attempts } = await deps.inference.complete({
      endpoints,
      // If a server that the run started is gone, the attempt fails and the run serves the model again; external
      // endpoints come back by themselves.
      onUnavailable: model.servedFor === undefined ? 'wait' : 'fail',
      messages: [...request.messages],
      sampling: request.sampling,
      samples: request.samples,
      seed: request.seed,
      topLogprobs: request.topLogprobs,
      stopSending: stop,
      signal: abort,
      admit: budgetGuard.admit,
    });
    await budgetGuard.settle({
      promptTokens: usage.promptTokens + uncounted.promptTokens,
      completionTokens: usage.completionTokens + uncounted.completionTokens,
    });
    if (request.topLogprobs !== undefined)
      requireLogprobs(endpoints[0], choices, 'Leave `probabilities` out of the benchmark');
    return { choices, usage: { ...usage, requests, retries: attempts - requests } };
  } catch (error) {
    if (error instanceof RequestRejected) throw new UnitFailed(error.reason, error.message);
    const isGone = error instanceof EndpointUnavailable || error instanceof ModelNotFound;
    if (isGone && model.servedFor !== undefined) throw serverUnavailable(error);
    throw error;
  }
}

/**
 * Fails without retries: a server that the run started is gone with its machine or worker. The run serves the model
 * again, perhaps at another address, and then repeats this shard.
 */
function serverUnavailable(cause: Error): ApplicationFailure {
  const { message } = cause;
  return ApplicationFailure.create({ type: FAILURES.serverUnavailable, nonRetryable: true, message, cause });
}
