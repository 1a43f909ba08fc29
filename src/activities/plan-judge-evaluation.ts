import { canonicalJson } from '../platform/canonical-json.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { JudgeEvaluationConfiguration } from '../config/judge-evaluation-configuration.ts';
import { parseJudgeEvaluation } from '../config/parse-configuration.ts';
import { readBenchmarkPrompts } from '../runs/benchmark-prompts.ts';
import { withResolvedJudge } from './check-judge-evaluation.ts';
import type { Dependencies } from './dependencies.ts';
import { publishResolved, type ResolvedEvaluation } from '../runs/open-run.ts';
import { reportUrl } from '../runs/run-layout.ts';
import { claimStandalone, endpointModel, standaloneJudgeName, standalonePlan } from './plan-standalone.ts';
import type { PlanInput } from './plan-run.ts';
import type { JudgeEvaluationPlan } from '../api/activity-types.ts';

/** Claims the folder of the evaluation and stores its resolved configuration, as planRun does for a run. */
export async function planJudgeEvaluation(
  deps: Dependencies,
  input: PlanInput,
): Promise<JudgeEvaluationPlan> {
  const { configuration: requested, problems } = parseJudgeEvaluation(input.configuration);
  if (requested === undefined) return { kind: 'rejected', problems };
  const configuration = await withResolvedJudge(deps, requested);
  const { runName } = configuration;
  const otherPlan = await claimStandalone(deps, runName, input, evaluationFingerprint(configuration));
  if (otherPlan !== undefined) return otherPlan;
  const { model, $schema: _schema, ...sections } = configuration;
  const resolved: ResolvedEvaluation = {
    configuration: {
      ...sections,
      models: { seed: model ?? { checkpoint: standaloneJudgeName(configuration) } },
    },
    prompts: { evaluation: await readBenchmarkPrompts(deps, configuration.evaluation) },
    // Left out otherwise, so that the configuration of other evaluations has the same hash as before.
    ...(configuration.drift && requested.model ? { judgeReference: requested.model.checkpoint } : {}),
  };
  const run = { runName, configuration: await publishResolved(deps.store, runName, resolved) };
  const benchmarks = configuration.evaluation.benchmarks.map(({ name, purpose }) => ({ name, purpose }));
  const plan = standalonePlan(configuration, run, benchmarks, deps.searchAttributes);
  const judge = endpointModel(configuration);
  return {
    kind: 'planned',
    plan,
    configuration,
    reportUrl: reportUrl(deps.store, runName),
    warnings: [],
    ...(judge === undefined ? {} : { judge }),
  };
}

/** The fingerprint inputs of the evaluation: everything that decides its figures, but not how the work is done. */
function evaluationFingerprint(
  configuration: JudgeEvaluationConfiguration,
): Fingerprint & { kind: 'judge-evaluation' } {
  const { seed, evaluation } = configuration;
  const { shardSize: _shards, ...evaluationInputs } = evaluation;
  const inputs = { seed, judge: standaloneJudgeName(configuration), evaluation: evaluationInputs };
  return { ...(JSON.parse(canonicalJson(inputs)) as Fingerprint), kind: 'judge-evaluation' };
}
