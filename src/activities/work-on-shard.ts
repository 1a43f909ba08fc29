import { ApplicationFailure } from '@temporalio/activity';
import { InputProblem } from '../artifacts/errors.ts';
import type { ArtifactReference, Fingerprint } from '../artifacts/reference.ts';
import {
  resumeShard,
  type SetAside,
  type ShardWork,
  UnitFailed,
  type Usage,
  type WorkRecord,
} from '../artifacts/resume-shard.ts';
import { shardsOf, shardUri } from '../artifacts/shards.ts';
import type { Sampling } from '../config/schema.ts';
import { EndpointUnavailable, ModelNotFound, RequestRefused } from '../inference/errors.ts';
import type { Choice } from '../inference/chat-answer.ts';
import type { Sending } from '../inference/client.ts';
import { endpointsOf } from '../inference/endpoint.ts';
import type { Message } from '../judge/prompt-template.ts';
import { withHeartbeats } from './attempt.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, stageUri, type ResolvedConfiguration } from './open-run.ts';
import { askedRole } from './stage-usage.ts';
import { watchWaiting } from './tell-waiting.ts';
import type { Model, ShardedStage, ShardInput, ShardResult } from './types.ts';

/** Asks the shard's model. A request that this model refuses sets its unit aside; other failures end the attempt. */
export type Ask = (request: {
  readonly messages: readonly Message[];
  readonly sampling: Sampling;
  readonly samples: number;
  readonly seed: number;
}) => Promise<Answer>;

/** A model's samples, in the order of their seeds, and what they cost together. */
interface Answer {
  readonly choices: readonly Choice[];
  readonly usage: Usage;
}

/** What a stage says about its work on one shard. */
export interface ShardStage<
  Item,
  Unit extends { readonly id: string },
  Record extends WorkRecord,
  Result,
> extends Pick<ShardWork<Unit, Record, Result>, 'assemble' | 'count'> {
  /** What the shard's result follows from, beside the model, the seed and the input. */
  readonly meaning: Fingerprint;
  readonly units: (items: readonly Item[]) => readonly Unit[];
  readonly work: (
    unit: Unit,
    existing: readonly Record[],
    emit: (record: Record) => void,
    ask: Ask,
  ) => Promise<void>;
}

/** The one way in which every sharded stage works: reads its shard's items, asks what is missing, publishes once. */
export async function workOnShard<
  Item,
  Unit extends { readonly id: string },
  Record extends WorkRecord,
  Result,
>(
  deps: Dependencies,
  stage: ShardedStage,
  input: ShardInput,
  describe: (resolved: ResolvedConfiguration) => ShardStage<Item, Unit, Record, Result>,
): Promise<ShardResult> {
  return withHeartbeats(async ({ signal, report }) => {
    // Of an evaluation without training it is only a part, but that has all that evaluateBenchmark asks for.
    const resolved = await openRun(deps.store, input.run);
    const { configuration } = resolved;
    const shard = (await shardsOf(deps.store, input.input))[input.shard];
    if (shard === undefined) throw new InputProblem(`${input.input.uri} has no shard ${input.shard}`);
    const { meaning, units, work, assemble, count } = describe(resolved);
    const ledger = deps.ledgers.of(input.run.runName);
    const role = askedRole(stage, input.iteration, configuration.models);
    const purse: Purse = {
      // A sample that the server has left out belongs to a request that was let through.
      admit: (sending) =>
        sending === 'left-out' ? ledger.count(role) : ledger.admit(role, configuration.prices),
      settle: (usage) => ledger.settle(role, usage),
    };
    const ask: Ask = (request) => askModel(deps, input, request, purse, signal);
    const labels = { stage, benchmark: input.benchmark ?? '' };
    const countSetAside = (kind: SetAside['kind'], reason: string) =>
      deps.metrics.unitsSetAside(1, { ...labels, kind, reason });
    const waiting = watchWaiting(deps, stage, input, report);
    const manifest = await resumeShard<Unit, Record, Result>(deps.store, {
      uri: shardUri(stageUri(stage, input.run.runName, input.iteration, input.benchmark), input.shard),
      fingerprint: shardFingerprint(configuration, input.model, shard, meaning),
      units: units(await deps.store.records<Item>(shard)),
      work: async (unit, existing, emit) => {
        const counted = (record: Record) => {
          emit(record);
          deps.metrics.records(1, labels);
        };
        try {
          await work(unit, existing, counted, ask);
        } catch (error) {
          if (error instanceof UnitFailed) countSetAside('failed', error.reason);
          throw error;
        }
      },
      assemble: (unit, records) => {
        const assembled = assemble(unit, records);
        if ('reason' in assembled) countSetAside(assembled.kind, assembled.reason);
        return assembled;
      },
      count,
      concurrency: configuration.inference.requestsPerShard,
      maximumSetAsideShare: configuration.inference.maximumSetAsideShare,
      signal,
      onProgress: waiting.progress,
    }).then(
      (published) => {
        waiting.end();
        return published;
      },
      (error: unknown) => {
        waiting.end(error);
        throw error;
      },
    );
    const hasBudget = Object.keys(ledger.limits).length > 0;
    return { counts: manifest.counts, ...(hasBudget ? { spent: ledger.spent(configuration.prices) } : {}) };
  });
}

/** What a shard's result follows from: the stage's own meaning, the model, and the shard that it is made from. */
export function shardFingerprint(
  { seed }: { readonly seed: number },
  model: Pick<Model, 'sha256'>,
  input: Pick<ArtifactReference, 'sha256'>,
  meaning: Fingerprint,
): Fingerprint {
  return { schema: 1, seed, model: model.sha256, input: input.sha256, ...meaning };
}

/** What pays for the requests of a shard. */
interface Purse {
  readonly admit: (sending: Sending) => Promise<void>;
  readonly settle: (usage: Usage) => Promise<void>;
}

async function askModel(
  deps: Dependencies,
  { model }: ShardInput,
  request: Parameters<Ask>[0],
  purse: Purse,
  signal: AbortSignal,
): Promise<Answer> {
  if (model.freed !== undefined) throw new InputProblem(model.freed);
  try {
    const { choices, usage, requests, attempts } = await deps.inference.complete({
      endpoints: endpointsOf(model, model.servedName),
      // A server of ours is served again where it is gone for good; others bring theirs back themselves.
      whenDown: model.servedFor === undefined ? 'wait' : 'fail',
      messages: [...request.messages],
      sampling: request.sampling,
      samples: request.samples,
      seed: request.seed,
      signal,
      admit: purse.admit,
    });
    await purse.settle(usage);
    return { choices, usage: { ...usage, requests, resent: attempts - requests } };
  } catch (error) {
    if (error instanceof RequestRefused) throw new UnitFailed(error.reason, error.message);
    const isGone = error instanceof EndpointUnavailable || error instanceof ModelNotFound;
    if (isGone && model.servedFor !== undefined) throw serverUnavailable(error);
    throw error;
  }
}

/**
 * Asking again would not help where a server of ours is gone with its machine or its worker: the run serves the model
 * again, perhaps under another address, and comes back to this shard.
 */
function serverUnavailable(cause: Error): ApplicationFailure {
  const { message } = cause;
  return ApplicationFailure.create({ type: 'ServerUnavailable', nonRetryable: true, message, cause });
}
