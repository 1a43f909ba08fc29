import {
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Counts } from '../artifacts/reference.ts';
import type { ShardResult, StageResult } from '../activities/types.ts';
import { failedWith } from './failed-with.ts';
import { budgetReachedSignal, pauseSignal, shardProgressSignal } from './messages.ts';
import type { MapShardsInput, MapShardsState } from './map-shards-input.ts';
import { PauseGate } from './pause.ts';
import { inference, light } from './proxies.ts';

/** A stage tells its run about its progress at most this often, so that the run's history stays small at any size. */
const REPORTS = 20;
/** How long a shard waits that was refused though the run may go on, in milliseconds: at first, and at most. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;

/**
 * Maps one stage over the shards of its input, a bounded number at once, and publishes the index of the result. It
 * continues as new between shards when the history has grown, so that a stage may have any number of them; a shard
 * that is complete already costs one short activity.
 */
export async function mapShards(input: MapShardsInput, state?: MapShardsState): Promise<StageResult> {
  const gate = new PauseGate(state?.pause);
  setHandler(pauseSignal, (pause) => gate.follow(pause));

  const { stage, work, shardsAtOnce, timeouts, runWorkflowId } = input;
  const { run, iteration, benchmark } = work;
  const shards = work.input.records;
  const startedAt = state?.startedAt ?? Date.now();
  const activity = inference(timeouts)[stage];
  const runHandle = getExternalWorkflowHandle(runWorkflowId);
  const counts: { [name: string]: number } = { ...state?.counts };
  let done = state?.done ?? 0;
  let next = done;
  let reported = Math.floor((done * REPORTS) / shards);

  const report = async (spent: ShardResult['spent']): Promise<void> => {
    setCurrentDetails(`${done} of ${shards} shards\n\n${countsTable(counts)}`);
    const step = Math.floor((done * REPORTS) / shards);
    if (step <= reported) return;
    reported = step;
    await runHandle.signal(shardProgressSignal, {
      stage,
      iteration,
      ...(benchmark === undefined ? {} : { benchmark }),
      done,
      shards,
      counts: { ...counts },
      ...(spent === undefined ? {} : { spent }),
    });
  };

  /** A shard that the budget has stopped is begun again, with what is missing, once the run may spend more. */
  const workOn = async (shard: number): Promise<ShardResult> => {
    const summary = `${stage} shard ${shard + 1}/${shards}, iteration ${iteration}${benchmark === undefined ? '' : `, ${benchmark}`}`;
    for (let wait = FIRST_WAIT; ;) {
      await gate.opened();
      const { change } = gate.state;
      try {
        return await activity.executeWithOptions({ summary }, [{ ...work, shard, runWorkflowId }]);
      } catch (error) {
        if (!failedWith(error, 'BudgetReached')) throw error;
      }
      const hasHeard = () => gate.state.change !== change;
      if (!hasHeard()) await runHandle.signal(budgetReachedSignal);
      if (!(await condition(hasHeard, '1 min'))) continue;
      const isPaused = () => gate.state.paused !== undefined;
      // Who looked for the run knew less of what is spent than the worker that refused.
      if (await condition(isPaused, wait)) wait = FIRST_WAIT;
      else wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  };

  const workThrough = async (): Promise<void> => {
    for (;;) {
      await gate.opened();
      if (next >= shards || workflowInfo().continueAsNewSuggested) return;
      const shard = next;
      next += 1;
      const result = await workOn(shard);
      for (const [name, count] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + count;
      done += 1;
      await report(result.spent);
    }
  };
  await Promise.all(Array.from({ length: Math.min(shardsAtOnce, shards) }, workThrough));
  if (next < shards) {
    await continueAsNew<typeof mapShards>(input, { done: next, counts, startedAt, pause: gate.state });
  }
  await gate.opened();

  const index = await light.completeStage.executeWithOptions(
    { summary: `index of ${stage}, iteration ${iteration}` },
    [
      {
        run,
        stage,
        iteration,
        shards,
        ...(benchmark === undefined ? {} : { benchmark }),
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
