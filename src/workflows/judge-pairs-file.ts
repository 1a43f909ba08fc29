import type { PairsJudgingPlan } from '../api/activity-types.ts';
import type { PairsJudgingResult } from '../api/pairs-judging-result.ts';
import { quantity } from '../platform/quantity.ts';
import { runStandalone } from './standalone.ts';
import { planPairsJudgingOrFail } from './planning.ts';
import { workflowActivities } from './activity-proxies.ts';
import { setPauseHandlers } from './run-handlers.ts';
import type { ProgressTracker } from './progress-tracker.ts';
import type { RunStages } from './run-stages.ts';

/**
 * Judges a file of pairs of any size (`temporal/inputs/judge-pairs.json`): read into shards, compared shard by shard by
 * `mapShards`, which continues as new, and put together into one file of verdicts. It goes on from what is in the store.
 *
 * The stage of a run that is called `judgePairs` too is an activity, and samples what trains the next judge.
 */
export function judgePairsFile(input: unknown): Promise<PairsJudgingResult> {
  return runStandalone(input, {
    planStage: 'planPairsJudging',
    plan: planPairsJudgingOrFail,
    awaitOwner: (owner) =>
      workflowActivities.awaitPairsJudging.executeWithOptions({ summary: `wait for ${owner.workflowId}` }, [
        owner,
      ]),
    setHandlers: setPauseHandlers,
    memo: ({ plan }) => ({ judge: plan.seedModel }),
    work: judgeFilePairs,
    details: ({ figures, verdicts }) =>
      `${quantity(figures.pairs, 'pair')}: A ${figures.verdicts.A}, B ${figures.verdicts.B}, tie ${figures.verdicts.tie}, without a verdict ` +
      `${figures.verdicts.none}\n\nVerdicts: \`${verdicts.uri}/records.jsonl\` in the store`,
  });
}

async function judgeFilePairs(
  tracker: ProgressTracker,
  stages: RunStages,
  { plan, judge: served }: Extract<PairsJudgingPlan, { kind: 'planned' }>,
): Promise<PairsJudgingResult> {
  const { run } = plan;
  const prepared = await stages.trackStage({ name: 'preparePairsToJudge', iteration: 0 }, () =>
    workflowActivities.preparePairsToJudge.executeWithOptions({ summary: 'read the pairs' }, [{ run }]),
  );
  const { artifact: pairs, skipped } = prepared;
  tracker.update({ warnings: [...tracker.current.warnings, ...prepared.warnings] });
  const model = served ?? (await stages.serveModel((await stages.resolveModels()).seed, 0, 'seed'));
  const compared = await stages.mapShards('compareResponses', 0, model, pairs);
  const { checkpoint, sha256 } = model;
  return stages.trackStage({ name: 'finishPairsJudging', iteration: 0 }, () =>
    workflowActivities.finishPairsJudging.executeWithOptions({ summary: 'merge the verdicts' }, [
      {
        ...{ run, pairs, skipped, comparisons: compared.artifact, seconds: compared.seconds },
        model: { checkpoint, sha256 },
        warnings: tracker.current.warnings,
      },
    ]),
  );
}
