import type { JudgingResult, PairsJudgingPlan } from '../activities/types.ts';
import { workAlone } from './alone.ts';
import { pairsJudgingPlanOrRefuse } from './plan.ts';
import { light } from './proxies.ts';
import { setPauseHandlers } from './run-handlers.ts';
import type { ProgressTracker } from './run-progress.ts';
import type { RunStages } from './run-stages.ts';

/**
 * Judges a file of pairs of any size (`temporal/inputs/judge-pairs.json`): read into shards, compared shard by shard by
 * `mapShards`, which continues as new, and put together into one file of verdicts. It goes on from what is in the store.
 *
 * The stage of a run that is called `judgePairs` too is an activity, and samples what trains the next judge.
 */
export function judgePairs(input: unknown): Promise<JudgingResult> {
  return workAlone(input, {
    planning: 'planPairsJudging',
    plan: pairsJudgingPlanOrRefuse,
    follow: (owner) =>
      light.awaitPairsJudging.executeWithOptions({ summary: `follow ${owner.workflowId}` }, [owner]),
    handle: setPauseHandlers,
    memo: ({ plan }) => ({ judge: plan.seedModel }),
    work: judge,
    details: ({ figures, verdicts }) =>
      `${figures.pairs} pairs: A ${figures.verdicts.A}, B ${figures.verdicts.B}, tie ${figures.verdicts.tie}, without a verdict ` +
      `${figures.verdicts.none}\n\nVerdicts: \`${verdicts.uri}/records.jsonl\` in the store`,
  });
}

async function judge(
  tracker: ProgressTracker,
  stages: RunStages,
  { plan, judge: served }: Extract<PairsJudgingPlan, { kind: 'planned' }>,
): Promise<JudgingResult> {
  const { run } = plan;
  const prepared = await stages.during({ name: 'preparePairsToJudge', iteration: 0 }, () =>
    light.preparePairsToJudge.executeWithOptions({ summary: 'read the pairs' }, [{ run }]),
  );
  const { artifact: pairs, setAside } = prepared;
  tracker.update({ warnings: [...tracker.current.warnings, ...prepared.warnings] });
  const model = served ?? (await stages.serve((await stages.identifyModels()).seed, 0, 'seed'));
  const compared = await stages.mapShards('compareResponses', 0, model, pairs);
  const { promptTokens: prompt = 0, completionTokens: completion = 0 } = compared.counts;
  const { checkpoint, sha256 } = model;
  return stages.during({ name: 'finishPairsJudging', iteration: 0 }, () =>
    light.finishPairsJudging.executeWithOptions({ summary: 'put the verdicts together' }, [
      {
        ...{ run, pairs, setAside, comparisons: compared.artifact, seconds: compared.seconds },
        model: { checkpoint, sha256 },
        tokens: { prompt, completion },
        warnings: tracker.current.warnings,
      },
    ]),
  );
}
