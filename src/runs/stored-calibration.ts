import type { EvaluationSummary } from '../api/result.ts';
import {
  judgeCalibration,
  type JudgeCalibration,
  type SubsetVerdict,
} from '../benchmarks/judge-calibration.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';

/** The file beside the scores with the log-odds of each verdict, for figures over several benchmarks. */
export const CONFIDENT_VERDICTS_FILE = 'confident-verdicts.jsonl';

/** Calibrates a judge on the benchmarks that have probabilities; undefined if none has. */
export async function storedCalibration(
  store: ArtifactStore,
  evaluations: readonly EvaluationSummary[],
): Promise<JudgeCalibration | undefined> {
  const measured = evaluations.filter(({ calibration }) => calibration !== undefined);
  if (measured.length === 0) return undefined;
  return judgeCalibration(
    await Promise.all(
      measured.map(async ({ benchmark, purpose, scores }) => ({
        ...{ benchmark, purpose },
        verdicts: await store.readLines<SubsetVerdict>(scores.uri, CONFIDENT_VERDICTS_FILE),
      })),
    ),
  );
}
