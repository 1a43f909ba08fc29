import { allHandlersFinished, condition, setHandler, startChild, workflowInfo } from '@temporalio/workflow';
import type { ArtifactReference, Counts } from '../artifacts/reference.ts';
import type { EvaluationSummary, RunPlan, ServedModel } from '../activities/types.ts';
import { mapShards } from './map-shards.ts';
import { pauseSignal } from './messages.ts';
import { PauseGate } from './pause.ts';
import { light, TAKE_OVER } from './proxies.ts';

export interface EvaluateJudgeInput {
  readonly plan: Pick<RunPlan, 'run' | 'shardsAtOnce' | 'timeouts'>;
  readonly iteration: number;
  readonly judge: ServedModel;
  /** Each benchmark's name and its prepared pairs. */
  readonly benchmarks: readonly { readonly name: string; readonly pairs: ArtifactReference }[];
  readonly runWorkflowId: string;
}

export interface EvaluateJudgeResult {
  readonly evaluations: readonly EvaluationSummary[];
  /** By benchmark. */
  readonly counts: Readonly<Record<string, Counts>>;
  readonly seconds: number;
}

/** Evaluates one judge on every benchmark of the run: each is judged shard by shard, then scored. */
export async function evaluateBenchmarks(input: EvaluateJudgeInput): Promise<EvaluateJudgeResult> {
  const gate = new PauseGate();
  setHandler(pauseSignal, (pause) => gate.follow(pause));

  const { plan, iteration, judge, benchmarks, runWorkflowId } = input;
  const { run, shardsAtOnce, timeouts } = plan;
  const began = Date.now();
  const settled = await Promise.allSettled(
    benchmarks.map(async ({ name, pairs }) => {
      const judged = await gate.resultOf(() =>
        startChild(mapShards, {
          workflowId: `${workflowInfo().workflowId}/${name}`,
          workflowIdReusePolicy: TAKE_OVER,
          staticSummary: `evaluate iteration ${iteration} on ${name}`,
          args: [
            {
              stage: 'evaluateBenchmark',
              work: { run, iteration, model: judge, input: pairs, benchmark: name },
              shardsAtOnce,
              timeouts,
              runWorkflowId,
            },
          ],
        }),
      );
      await gate.opened();
      const summary = `score ${name}, iteration ${iteration}`;
      const evaluation = await light.scoreBenchmark.executeWithOptions({ summary }, [
        { run, iteration, benchmark: name, pairs, judgments: judged.artifact },
      ]);
      return { name, evaluation, counts: judged.counts };
    }),
  );
  // All have ended: an evaluation that is started again finds none of its workflows still running.
  const evaluated = settled.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
  await condition(allHandlersFinished);
  return {
    evaluations: evaluated.map(({ evaluation }) => evaluation),
    counts: Object.fromEntries(evaluated.map(({ name, counts }) => [name, counts])),
    seconds: (Date.now() - began) / 1000,
  };
}
