import type { JudgeEvaluationResult } from '../activities/types.ts';
import { evaluateAlone } from './evaluate-alone.ts';
import {
  evaluateBenchmarks,
  type EvaluateJudgeInput,
  type EvaluateJudgeResult,
} from './evaluate-benchmarks.ts';

/**
 * Evaluates a judge on benchmarks. A run starts it as its child, with the judge served and the benchmarks prepared;
 * anybody else starts it with a configuration (`temporal/inputs/evaluate-embedded.json`): any endpoint or checkpoint,
 * any benchmarks, without training.
 */
export async function evaluateJudge(input: unknown): Promise<EvaluateJudgeResult | JudgeEvaluationResult> {
  return isPartOfRun(input) ? evaluateBenchmarks(input) : evaluateAlone(input);
}

function isPartOfRun(input: unknown): input is EvaluateJudgeInput {
  return typeof input === 'object' && input !== null && 'plan' in input && 'runWorkflowId' in input;
}
