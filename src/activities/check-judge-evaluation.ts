import type { JudgeEvaluationConfiguration } from '../config/judge-evaluation-configuration.ts';
import { parseJudgeEvaluation } from '../config/parse-configuration.ts';
import type { PartialConfiguration } from '../config/run-configuration.ts';
import {
  collectProblem,
  type CheckedConfiguration,
  checkEvaluation,
  writeStoreProbe,
  newStoreProbe,
  uniqueProblems,
} from './check-configuration.ts';
import type { Dependencies } from './dependencies.ts';
import { needsMachine } from './preflight.ts';
import { PREVIOUS } from '../config/drift.ts';
import { findNamedJudge } from '../runs/earlier-evaluation.ts';
import { resolveJudgeCheckpoint } from '../runs/find-run-judge.ts';

/**
 * Checks everything of an evaluation without training that a worker with the role `workflow` can see: the fields, the
 * benchmarks, the prompts and the store.
 */
export async function checkJudgeEvaluation(
  deps: Dependencies,
  input: unknown,
): Promise<CheckedConfiguration> {
  const { usable: sections, problems } = parseJudgeEvaluation(input);
  let usable = evaluationAsRunSections(sections);
  const noSuchJudge = await collectProblem('model.checkpoint', async () => {
    usable = evaluationAsRunSections(await withResolvedJudge(deps, sections));
  });
  const storeProbe = newStoreProbe();
  const problemLists = await Promise.all([
    writeStoreProbe(deps, storeProbe),
    ...checkEvaluation(deps, usable),
    collectProblem('drift.compareWith', () => requireEarlierJudge(deps, sections.drift)),
  ]);
  return {
    usable,
    needsMachine: needsMachine(usable.serving),
    storeProbe,
    problems: [...problems, ...noSuchJudge, ...uniqueProblems(problemLists.flat())],
  };
}

/** @throws Error if the store lacks the figures that the configuration names; the first evaluation of a series has none yet */
async function requireEarlierJudge(
  { store }: Pick<Dependencies, 'store'>,
  drift: JudgeEvaluationConfiguration['drift'],
): Promise<void> {
  if (drift === undefined || drift.compareWith === PREVIOUS) return;
  const earlier = await findNamedJudge(store, drift.compareWith);
  if ('missing' in earlier) throw new Error(earlier.missing);
}

/** Replaces a reference to a judge of a run with the checkpoint that it refers to now. */
export async function withResolvedJudge<E extends Partial<JudgeEvaluationConfiguration>>(
  { store }: Pick<Dependencies, 'store'>,
  evaluation: E,
): Promise<E> {
  const { model } = evaluation;
  if (model === undefined) return evaluation;
  return {
    ...evaluation,
    model: { ...model, checkpoint: await resolveJudgeCheckpoint(store, model.checkpoint) },
  };
}

/** Converts the configuration to the form of a run, in which the judge is the seed model. */
export function evaluationAsRunSections({
  model,
  $schema: _schema,
  drift: _drift,
  ...sections
}: Partial<JudgeEvaluationConfiguration>): PartialConfiguration {
  return { ...sections, ...(model === undefined ? {} : { models: { seed: model } }) };
}
