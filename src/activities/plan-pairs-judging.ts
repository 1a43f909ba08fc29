import { fileSha256 } from '../platform/file-hashes.ts';
import { resolveInputPath } from '../platform/input-files.ts';
import { parsePairsJudging } from '../config/parse-configuration.ts';
import { resolveVoting } from '../method/voting.ts';
import { pairsJudgingFingerprint } from '../pair-judging/fingerprint-inputs.ts';
import { withResolvedJudge } from './check-judge-evaluation.ts';
import type { Dependencies } from './dependencies.ts';
import { judgeFileFor } from '../pair-judging/find-judge-file.ts';
import { publishResolved, type ResolvedPairsJudging } from '../runs/open-run.ts';
import { claimStandalone, endpointModel, standaloneJudgeName, standalonePlan } from './plan-standalone.ts';
import type { PlanInput } from './plan-run.ts';
import type { PairsJudgingPlan } from '../api/activity-types.ts';

/**
 * Claims the folder of the judging and stores its resolved configuration with the contents of the judge's file, so
 * that later changes of that file have no effect.
 */
export async function planPairsJudging(deps: Dependencies, input: PlanInput): Promise<PairsJudgingPlan> {
  const { configuration: requested, problems } = parsePairsJudging(input.configuration);
  if (requested === undefined) return { kind: 'rejected', problems };
  const judge = await judgeFileFor(deps, requested);
  const configuration = await withResolvedJudge(deps, requested);
  const { runName, seed, model, serving, inference, timeouts, pairsFile, shardSize } = configuration;
  const voting = resolveVoting(judge, configuration);
  const file = await fileSha256(resolveInputPath(deps.files, pairsFile));
  const otherPlan = await claimStandalone(deps, runName, input, {
    ...pairsJudgingFingerprint(file, standaloneJudgeName(configuration), judge, voting, seed),
    kind: 'pairs-judging',
  });
  if (otherPlan !== undefined) return otherPlan;
  const resolved: ResolvedPairsJudging = {
    configuration: {
      ...{ runName, seed, serving, inference, timeouts },
      models: { seed: model ?? { checkpoint: standaloneJudgeName(configuration) } },
      judging: { pairsFile, shardSize, voting },
    },
    judge,
  };
  const run = { runName, configuration: await publishResolved(deps.store, runName, resolved) };
  const served = endpointModel(configuration);
  return {
    kind: 'planned',
    plan: standalonePlan(configuration, run, [], deps.searchAttributes),
    configuration,
    warnings: [],
    ...(served === undefined ? {} : { judge: served }),
  };
}
