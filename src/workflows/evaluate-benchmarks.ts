import { allHandlersFinished, condition, setHandler, startChild, workflowInfo } from '@temporalio/workflow';
import type { ArtifactReference, Counts } from '../store/artifact.ts';
import type { RunPlan, ServedModel } from '../api/activity-types.ts';
import type { EvaluationSummary } from '../api/result.ts';
import { mapShards } from './map-shards.ts';
import { pauseSignal } from './messages.ts';
import { PauseGate } from './pause.ts';
import { workflowActivities, TERMINATE_EXISTING } from './activity-proxies.ts';

export interface EvaluateJudgeInput {
  readonly plan: Pick<RunPlan, 'run' | 'concurrentShards' | 'timeouts'>;
  readonly iteration: number;
  readonly judge: ServedModel;
  /** The name of each benchmark, and its prepared items. */
  readonly benchmarks: readonly { readonly name: string; readonly pairs: ArtifactReference }[];
  readonly runWorkflowId: string;
  /** Set if the judge is a checkpoint of the iteration's training, among which validation chooses. */
  readonly step?: number;
}

export interface EvaluateJudgeResult {
  readonly evaluations: readonly EvaluationSummary[];
  /** By benchmark. */
  readonly counts: Readonly<Record<string, Counts>>;
  readonly seconds: number;
}

/** Evaluates one judge on every benchmark of the run: it is judged shard by shard, then scored. */
export async function evaluateBenchmarks(input: EvaluateJudgeInput): Promise<EvaluateJudgeResult> {
  const gate = new PauseGate();
  setHandler(pauseSignal, (pause) => gate.applyState(pause));

  const { plan, iteration, judge, benchmarks, runWorkflowId, step } = input;
  const ofCheckpoint = step === undefined ? {} : { step };
  const judgeName = `iteration ${iteration}${step === undefined ? '' : `, step ${step}`}`;
  const { run, concurrentShards, timeouts } = plan;
  const startedAt = Date.now();
  const outcomes = await Promise.allSettled(
    benchmarks.map(async ({ name, pairs }) => {
      const judged = await gate.runChild(() =>
        startChild(mapShards, {
          workflowId: `${workflowInfo().workflowId}/${name}`,
          workflowIdReusePolicy: TERMINATE_EXISTING,
          staticSummary: `evaluate ${judgeName} on ${name}`,
          args: [
            {
              stage: 'evaluateBenchmark',
              shardInput: { run, iteration, model: judge, input: pairs, benchmark: name, ...ofCheckpoint },
              concurrentShards,
              timeouts,
              runWorkflowId,
            },
          ],
        }),
      );
      await gate.whenOpen();
      const summary = `score ${name}, ${judgeName}`;
      const evaluation = await workflowActivities.scoreBenchmark.executeWithOptions({ summary }, [
        { run, iteration, benchmark: name, pairs, judgments: judged.artifact, ...ofCheckpoint },
      ]);
      return { name, evaluation, counts: judged.counts };
    }),
  );
  // Waits for all of them, so that an evaluation that is started again finds none of its child workflows running.
  const evaluated = outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
  const scored = evaluated.map(({ evaluation }) => evaluation);
  const hasProbabilities = scored.some(({ calibration }) => calibration !== undefined);
  const evaluations = hasProbabilities
    ? await workflowActivities.calibrateJudge.executeWithOptions({ summary: `calibrate ${judgeName}` }, [
        { evaluations: scored },
      ])
    : scored;
  await condition(allHandlersFinished);
  return {
    evaluations,
    counts: Object.fromEntries(evaluated.map(({ name, counts }) => [name, counts])),
    seconds: (Date.now() - startedAt) / 1000,
  };
}
