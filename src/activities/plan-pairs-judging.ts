import { canonicalJson } from '../artifacts/canonical-json.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { referenceTo } from '../artifacts/store.ts';
import { resolveInput } from '../config/input-files.ts';
import { readPairsJudging } from '../config/read-configuration.ts';
import { hashOf } from '../judge/seeds.ts';
import { votingOf } from '../judge/voting.ts';
import { judgingMeaning } from '../judging/meaning.ts';
import { withTrainedJudge } from './check-judge-evaluation.ts';
import type { Dependencies } from './dependencies.ts';
import { judgeFileFor } from './find-judge-file.ts';
import { type ResolvedJudging, runUris } from './open-run.ts';
import { claimAlone, endpointModel, judgeName, planAlone } from './plan-alone.ts';
import type { PlanInput } from './plan-run.ts';
import type { PairsJudgingPlan } from './types.ts';

/** Claims the folder of a judging and fixes what it was started with: the judge's file too, whatever happens to it later. */
export async function planPairsJudging(deps: Dependencies, input: PlanInput): Promise<PairsJudgingPlan> {
  const { configuration: asked, problems } = readPairsJudging(input.configuration);
  if (asked === undefined) return { kind: 'refused', problems };
  const judge = await judgeFileFor(deps, asked);
  const configuration = await withTrainedJudge(deps, asked);
  const { runName, seed, model, serving, inference, timeouts, pairs, shardSize } = configuration;
  const voting = votingOf(judge, configuration);
  const file = await fileSha256(resolveInput(deps.files, pairs));
  const other = await claimAlone(deps, runName, input, {
    ...judgingMeaning(file, judgeName(configuration), judge, voting, seed),
    kind: 'pairs-judging',
  });
  if (other !== undefined) return other;
  const resolved: ResolvedJudging = {
    configuration: {
      ...{ runName, seed, serving, inference, timeouts },
      models: { seed: model ?? { checkpoint: judgeName(configuration) } },
      judging: { pairs, shardSize, voting },
    },
    judge,
  };
  const sha = hashOf(canonicalJson(resolved));
  const artifact = await deps.store.publish(`${runUris.configurations(runName)}/${sha}`, {
    fingerprint: { schema: 1, configuration: sha },
    records: [resolved],
  });
  const run = { runName, configuration: referenceTo(artifact) };
  const served = endpointModel(configuration);
  return {
    kind: 'planned',
    plan: planAlone(configuration, run, [], deps.searchAttributes),
    configuration,
    warnings: [],
    ...(served === undefined ? {} : { judge: served }),
  };
}
