import type { JudgeEvaluationResult } from '../api/result.ts';
import { evaluateStandalone } from './evaluate-standalone.ts';
import {
  evaluateBenchmarks,
  type EvaluateJudgeInput,
  type EvaluateJudgeResult,
} from './evaluate-benchmarks.ts';

/**
 * Evaluates a judge on benchmarks. A run starts this workflow as its child, with a served judge and prepared benchmarks;
 * users start it with a configuration (`temporal/inputs/evaluate-embedded.json`) that names any endpoint or checkpoint and
 * any benchmarks.
 */
export async function evaluateJudge(input: unknown): Promise<EvaluateJudgeResult | JudgeEvaluationResult> {
  return isPartOfRun(input) ? evaluateBenchmarks(input) : evaluateStandalone(input);
}

function isPartOfRun(input: unknown): input is EvaluateJudgeInput {
  return typeof input === 'object' && input !== null && 'plan' in input && 'runWorkflowId' in input;
}
