import { FAILURES } from '../api/temporal-names.ts';
import {
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Counts } from '../store/artifact.ts';
import type { ShardResult, StageResult } from '../api/activity-types.ts';
import { findFailure } from './failure-causes.ts';
import { MAX_RUNNING_SHARDS } from '../api/shard-hand-over.ts';
import {
  budgetExhaustedSignal,
  pauseSignal,
  shardHandedOverSignal,
  shardProgressSignal,
} from './messages.ts';
import { hasNumbers } from './signal-validation.ts';
import type { MapShardsInput, MapShardsState } from './map-shards-types.ts';
import { PauseGate } from './pause.ts';
import { whileServerWatched } from './while-served.ts';
import { inferenceActivities, workflowActivities } from './activity-proxies.ts';

/** How often a stage reports its progress to its run at most, so that the run's history stays small at any size. */
const MAX_PROGRESS_REPORTS = 20;
/** How long a shard waits at first and at most, in milliseconds, if a worker finds the budget exhausted and the run does not. */
const MIN_RETRY_WAIT_MS = 1000;
const MAX_RETRY_WAIT_MS = 60_000;

/**
 * Runs one stage on every shard of its input, a bounded number at once, and publishes the index of the results. A shard hands
 * over to the next one before its last answers have come, so that no places are idle. The stage continues as new between
 * shards when its history has grown, so that it may have any number of shards; a shard that is already complete takes one
 * short activity.
 */
export async function mapShards(input: MapShardsInput, state?: MapShardsState): Promise<StageResult> {
  const gate = new PauseGate(state?.pause);
  setHandler(pauseSignal, (pause) => gate.applyState(pause));
  const running = new Set<number>();
  const handedOver = new Set<number>();
  setHandler(shardHandedOverSignal, (message) => {
    if (hasNumbers(message, 'shard') && running.has(message.shard)) handedOver.add(message.shard);
  });

  const { stage, shardInput, concurrentShards, timeouts, runWorkflowId } = input;
  const { run, iteration, benchmark, step: checkpoint } = shardInput;
  const place = {
    ...(benchmark === undefined ? {} : { benchmark }),
    ...(checkpoint === undefined ? {} : { step: checkpoint }),
  };
  const shards = shardInput.input.records;
  const startedAt = state?.startedAt ?? Date.now();
  const activity = inferenceActivities(timeouts, shardInput.model.servedFor?.inferenceQueue)[stage];
  const runHandle = getExternalWorkflowHandle(runWorkflowId);
  const counts: { [name: string]: number } = { ...state?.counts };
  const warnings = new Set(state?.warnings);
  let done = state?.done ?? 0;
  let next = done;
  let reported = Math.floor((done * MAX_PROGRESS_REPORTS) / shards);

  let reportedWarnings = warnings.size;

  const report = async (usage?: ShardResult['usage']): Promise<void> => {
    setCurrentDetails(`${done} of ${shards} shards\n\n${countsTable(counts)}`);
    const step = Math.floor((done * MAX_PROGRESS_REPORTS) / shards);
    if (step <= reported && warnings.size === reportedWarnings) return;
    reported = step;
    reportedWarnings = warnings.size;
    await runHandle.signal(shardProgressSignal, {
      stage,
      iteration,
      ...place,
      done,
      shards,
      counts: { ...counts },
      ...(usage === undefined ? {} : { usage }),
      ...(warnings.size === 0 ? {} : { warnings: [...warnings] }),
    });
  };

  /** Starts a shard that an exhausted budget has stopped again, with its missing records, when the run may spend more. */
  const processShard = async (shard: number): Promise<ShardResult> => {
    const summary = `${stage} shard ${shard + 1}/${shards}, iteration ${iteration}${benchmark === undefined ? '' : `, ${benchmark}`}`;
    for (let wait = MIN_RETRY_WAIT_MS; ;) {
      await gate.whenOpen();
      const { revision } = gate.state;
      try {
        return await activity.executeWithOptions({ summary }, [{ ...shardInput, shard }]);
      } catch (error) {
        const exhausted = findFailure(error, FAILURES.budgetExhausted);
        if (exhausted === undefined) throw error;
        for (const warning of exhausted.details ?? []) if (typeof warning === 'string') warnings.add(warning);
        await report();
      }
      const hasAnswer = () => gate.state.revision !== revision;
      if (!hasAnswer()) await runHandle.signal(budgetExhaustedSignal);
      if (!(await condition(hasAnswer, '1 min'))) continue;
      const isPaused = () => gate.state.paused !== undefined;
      // The run's look at the usage was older than that of the worker that stopped the shard.
      if (await condition(isPaused, wait)) wait = MIN_RETRY_WAIT_MS;
      else wait = Math.min(2 * wait, MAX_RETRY_WAIT_MS);
    }
  };

  const isOver = () => next >= shards || workflowInfo().continueAsNewSuggested;
  const mayStart = () => running.size - handedOver.size < concurrentShards;

  const processShards = async (): Promise<void> => {
    for (;;) {
      // Another one of these loops may have started the shard that this one has waited for.
      do await condition(() => gate.state.paused === undefined && (isOver() || mayStart()));
      while (!isOver() && !mayStart());
      if (isOver()) return;
      const shard = next;
      next += 1;
      running.add(shard);
      const result = await processShard(shard);
      for (const [name, count] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + count;
      for (const warning of result.warnings ?? []) warnings.add(warning);
      done += 1;
      await report(result.usage);
      running.delete(shard);
      handedOver.delete(shard);
    }
  };
  await whileServerWatched(input, () =>
    Promise.all(
      Array.from({ length: Math.min(MAX_RUNNING_SHARDS * concurrentShards, shards) }, processShards),
    ),
  );
  if (next < shards) {
    await continueAsNew<typeof mapShards>(input, {
      ...{ done: next, counts, startedAt, pause: gate.state },
      ...(warnings.size === 0 ? {} : { warnings: [...warnings] }),
    });
  }
  await gate.whenOpen();

  const index = await workflowActivities.completeStage.executeWithOptions(
    { summary: `index of ${stage}, iteration ${iteration}` },
    [
      {
        run,
        stage,
        iteration,
        shards,
        ...place,
      },
    ],
  );
  return { ...index, seconds: (Date.now() - startedAt) / 1000 };
}

function countsTable(counts: Counts): string {
  return Object.entries(counts)
    .map(([name, count]) => `- ${name}: ${count}`)
    .join('\n');
}
