import { createHash } from 'node:crypto';
import type { JudgeFile } from '../api/judge-file.ts';
import type { VotingOptions } from '../method/pair-comparison.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import type { Fingerprint } from '../store/artifact.ts';
import type { DirectJudging } from './direct-verdict.ts';
import type { TaskJudge } from './judge-task.ts';

/**
 * Everything that determines the verdicts on a file. Speed and place of the judging are not part of it.
 * @param pairs the hash of the file of pairs
 * @param model identifies the model, wherever it is served
 */
export function pairsJudgingFingerprint(
  pairs: string,
  model: string,
  judge: JudgeFile,
  { votes, orders, sampling }: VotingOptions,
  seed: number,
  direct?: DirectJudging,
): Fingerprint {
  return {
    schema: 1,
    pairs,
    model,
    ...judgeFingerprintInputs(judge),
    votes,
    orders,
    sampling: { ...sampling },
    seed,
    ...directFingerprintInputs(direct),
  };
}

/** Everything of direct verdicts that determines the verdicts; nothing without them. */
export function directFingerprintInputs(direct: DirectJudging | undefined): Fingerprint {
  if (direct === undefined) return {};
  const { prompt, threshold, temperature } = direct;
  const hash = createHash('sha256').update(canonicalJson(prompt)).digest('hex').slice(0, 16);
  return { threshold, directTemperature: temperature, directPromptSha256: hash };
}

/**
 * Everything that determines the verdicts on the records of a task.
 * @param file the hash of the file of records
 */
export function taskJudgingFingerprint(
  file: string,
  model: string,
  { run, iteration }: JudgeFile,
  { task, prompts, reasoningMarks, voting: { votes, orders, sampling }, seed }: TaskJudge,
): Fingerprint {
  const rules = canonicalJson({ prompts, reasoningMarks: reasoningMarks ?? null });
  return {
    schema: 1,
    file,
    model,
    task,
    judge: `M_${iteration} of ${run}`,
    taskConfigurationSha256: createHash('sha256').update(rules).digest('hex').slice(0, 16),
    votes,
    orders,
    sampling: { ...sampling },
    seed,
  };
}

/**
 * Identifies a judge, with a hash of its prompt and of how its judgments are parsed. Its figures are not part of it.
 */
export function judgeFingerprintInputs({ run, iteration, prompt, verdict, voting }: JudgeFile) {
  const { sampling: _sampling, ...rules } = voting;
  const configuration = canonicalJson({ prompt, verdict, rules });
  const hash = createHash('sha256').update(configuration).digest('hex').slice(0, 16);
  return { judge: `M_${iteration} of ${run}`, judgeConfigurationSha256: hash };
}
