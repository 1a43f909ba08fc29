/** Telling a run that its stage waits for an endpoint, and that it goes on. */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { endpointsOf } from '../inference/endpoint.ts';
import type { InferenceClient } from '../inference/client.ts';
import { EndpointUnavailable } from '../inference/errors.ts';
import { leftAlone } from '../inference/silence.ts';
import type { Dependencies } from './dependencies.ts';
import type { ShardedStage, ShardInput, StageWaiting } from './types.ts';

/** A shorter silence is no news. */
const NEWS_SECONDS = 15;
const LOOK_SECONDS = 5;
/** A worker tells so often of each stage that it waits, so that the run's history stays small however often an endpoint is away. */
const REPORTS = 20;

/** What a worker has told runs of their waiting. */
export interface WaitingReports {
  /** Tells a run. What isn't heard there is no failure: the heartbeat says it too. Returns whether it was told. */
  tell(runWorkflowId: string, message: StageWaiting): boolean;
}

export function createWaitingReports(temporal: Client): WaitingReports {
  const told = new Map<string, number>();
  return {
    tell(runWorkflowId, message) {
      const { stage, iteration, benchmark = '', waits } = message;
      const key = [runWorkflowId, stage, iteration, benchmark].join('\n');
      const before = told.get(key) ?? 0;
      if (waits !== undefined) {
        if (before >= REPORTS) return false;
        told.set(key, before + 1);
      }
      temporal.workflow
        .getHandle(runWorkflowId)
        .signal('stageWaiting', message)
        .catch(() => undefined);
      return true;
    },
  };
}

interface ShardProgress {
  readonly done: number;
  readonly units: number;
}

/** What a shard's heartbeat says; the next attempt finds there whether the run thinks that it waits. */
interface Details extends Partial<ShardProgress> {
  readonly waits?: string;
  readonly told?: boolean;
}

/**
 * Looks again and again whether the endpoints of a shard's model are silent, and says so in the heartbeat and to the run.
 * @param report takes what the heartbeat says
 */
export function watchWaiting(
  deps: Pick<Dependencies, 'inference' | 'waiting'>,
  stage: ShardedStage,
  input: ShardInput,
  report: (details: Details) => void,
): {
  readonly progress: (progress: ShardProgress) => void;
  /** @param error what the attempt ended with, where it failed */
  readonly end: (error?: unknown) => void;
} {
  const { iteration, benchmark, shard, runWorkflowId, model } = input;
  const endpoints = endpointsOf(model, model.servedName);
  const context = Context.current();
  const before = context.info.heartbeatDetails as Details | undefined;
  let told = before?.told === true;
  let details: Details = told ? { told } : {};

  const tell = (waits: string | undefined): void => {
    const message = {
      ...{ stage, iteration, shard },
      ...(benchmark === undefined ? {} : { benchmark }),
      ...(waits === undefined ? {} : { waits }),
    };
    const isHeard = runWorkflowId !== undefined && deps.waiting.tell(runWorkflowId, message);
    told = isHeard && waits !== undefined;
  };
  const look = (): void => {
    const waits = silenceOf(deps.inference, endpoints);
    if (told !== (waits !== undefined)) tell(waits);
    const { done, units } = details;
    details = {
      ...(done === undefined || units === undefined ? {} : { done, units }),
      ...(waits === undefined ? {} : { waits }),
      ...(told ? { told } : {}),
    };
    report(details);
  };
  const timer = setInterval(look, 1000 * LOOK_SECONDS);
  return {
    progress(progress) {
      details = { ...details, ...progress };
      report(details);
    },
    end(error) {
      clearInterval(timer);
      const waits = silenceAfter(error);
      if (told || waits !== undefined) tell(waits);
      // What the next attempt finds there, which withdraws it.
      if (told) context.heartbeat({ ...details, waits, told });
    },
  };
}

/** Why nothing is asked before the next attempt, where the endpoint has asked for that. */
function silenceAfter(error: unknown): string | undefined {
  if (!(error instanceof EndpointUnavailable)) return undefined;
  const { endpoint, retryAfterSeconds = 0 } = error;
  return retryAfterSeconds < NEWS_SECONDS ? undefined : leftAlone(endpoint, retryAfterSeconds);
}

function silenceOf(
  inference: InferenceClient,
  endpoints: ReturnType<typeof endpointsOf>,
): string | undefined {
  const silence = inference.silence(endpoints);
  return silence !== undefined && silence.seconds >= NEWS_SECONDS ? silence.text : undefined;
}
