import type { JudgeEvaluation } from '../config/evaluation-schema.ts';
import { readJudgeEvaluation } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import {
  type CheckedConfiguration,
  checkEvaluation,
  checkStore,
  newMarker,
  uniqueProblems,
} from './check-configuration.ts';
import type { Dependencies } from './dependencies.ts';

/** Checks what the workflow role can see of an evaluation without training: the fields, the benchmarks, the prompts, the store. */
export async function checkJudgeEvaluation(
  deps: Dependencies,
  input: unknown,
): Promise<CheckedConfiguration> {
  const { usable: sections, problems } = readJudgeEvaluation(input);
  const usable = asPartOfRun(sections);
  const marker = newMarker();
  const found = await Promise.all([checkStore(deps, marker), ...checkEvaluation(deps, usable)]);
  return { usable, marker, problems: [...problems, ...uniqueProblems(found.flat())] };
}

/** The same as a run says it: the judge is its seed model. */
export function asPartOfRun({
  model,
  $schema: _schema,
  ...sections
}: Partial<JudgeEvaluation>): Partial<Configuration> {
  return { ...sections, ...(model === undefined ? {} : { models: { seed: model } }) };
}
