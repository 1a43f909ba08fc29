import type { JudgeEvaluation } from '../config/evaluation-schema.ts';
import { readJudgeEvaluation } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import {
  attemptTo,
  type CheckedConfiguration,
  checkEvaluation,
  checkStore,
  newMarker,
  uniqueProblems,
} from './check-configuration.ts';
import type { Dependencies } from './dependencies.ts';
import { trainedJudge } from './trained-judge.ts';

/** Checks what the workflow role can see of an evaluation without training: the fields, the benchmarks, the prompts, the store. */
export async function checkJudgeEvaluation(
  deps: Dependencies,
  input: unknown,
): Promise<CheckedConfiguration> {
  const { usable: sections, problems } = readJudgeEvaluation(input);
  let usable = asPartOfRun(sections);
  const noSuchJudge = await attemptTo('model.checkpoint', async () => {
    usable = asPartOfRun(await withTrainedJudge(deps, sections));
  });
  const marker = newMarker();
  const found = await Promise.all([checkStore(deps, marker), ...checkEvaluation(deps, usable)]);
  return { usable, marker, problems: [...problems, ...noSuchJudge, ...uniqueProblems(found.flat())] };
}

/** The same with the checkpoint that a judge of a run stands for now. */
export async function withTrainedJudge<E extends Partial<JudgeEvaluation>>(
  { store }: Pick<Dependencies, 'store'>,
  evaluation: E,
): Promise<E> {
  const { model } = evaluation;
  if (model === undefined) return evaluation;
  return { ...evaluation, model: { ...model, checkpoint: await trainedJudge(store, model.checkpoint) } };
}

/** The same as a run says it: the judge is its seed model. */
export function asPartOfRun({
  model,
  $schema: _schema,
  ...sections
}: Partial<JudgeEvaluation>): Partial<Configuration> {
  return { ...sections, ...(model === undefined ? {} : { models: { seed: model } }) };
}
