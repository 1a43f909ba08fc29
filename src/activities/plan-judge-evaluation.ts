import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { JudgeEvaluation } from '../config/evaluation-schema.ts';
import { readJudgeEvaluation } from '../config/read-configuration.ts';
import { hashOf } from '../judge/seeds.ts';
import { readBenchmarkPrompts } from './benchmark-prompts.ts';
import { withTrainedJudge } from './check-judge-evaluation.ts';
import type { Dependencies } from './dependencies.ts';
import { reportAddress, type ResolvedEvaluation, runUris } from './open-run.ts';
import { claimAlone, endpointModel, judgeName, planAlone } from './plan-alone.ts';
import type { PlanInput } from './plan-run.ts';
import type { JudgeEvaluationPlan } from './types.ts';

/** Claims the evaluation's folder and fixes what it was started with, as planRun does for a run. */
export async function planJudgeEvaluation(
  deps: Dependencies,
  input: PlanInput,
): Promise<JudgeEvaluationPlan> {
  const { configuration: asked, problems } = readJudgeEvaluation(input.configuration);
  if (asked === undefined) return { kind: 'refused', problems };
  const configuration = await withTrainedJudge(deps, asked);
  const { runName } = configuration;
  const other = await claimAlone(deps, runName, input, meaningOf(configuration));
  if (other !== undefined) return other;
  const { model, $schema: _schema, ...sections } = configuration;
  const resolved: ResolvedEvaluation = {
    configuration: { ...sections, models: { seed: model ?? { checkpoint: judgeName(configuration) } } },
    prompts: { evaluation: await readBenchmarkPrompts(deps, configuration.evaluation) },
  };
  const sha = hashOf(canonicalJson(resolved));
  const artifact = await deps.store.publish(`${runUris.configurations(runName)}/${sha}`, {
    fingerprint: { schema: 1, configuration: sha },
    records: [resolved],
  });
  const run = { runName, configuration: referenceTo(artifact) };
  const benchmarks = configuration.evaluation.benchmarks.map(({ name, purpose }) => ({ name, purpose }));
  const plan = planAlone(configuration, run, benchmarks, deps.searchAttributes);
  const judge = endpointModel(configuration);
  return {
    kind: 'planned',
    plan,
    configuration,
    reportAddress: reportAddress(deps.store, runName),
    warnings: [],
    ...(judge === undefined ? {} : { judge }),
  };
}

/** What decides the figures, not how they are come by. */
function meaningOf(configuration: JudgeEvaluation): Fingerprint & { kind: 'judge-evaluation' } {
  const { seed, evaluation } = configuration;
  const { shardSize: _shards, ...meaning } = evaluation;
  const decides = { seed, judge: judgeName(configuration), evaluation: meaning };
  return { ...(JSON.parse(canonicalJson(decides)) as Fingerprint), kind: 'judge-evaluation' };
}
