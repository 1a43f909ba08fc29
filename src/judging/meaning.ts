import { createHash } from 'node:crypto';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { Fingerprint } from '../artifacts/reference.ts';
import type { JudgeFile } from '../contract/judge-file.ts';
import type { Voting } from '../judge/comparison.ts';

/**
 * What verdicts follow from, not how they are come by.
 * @param pairs the hash of their file
 * @param model what the model is known by, wherever it is served
 */
export function judgingMeaning(
  pairs: string,
  model: string,
  judge: JudgeFile,
  { votes, orders, sampling }: Voting,
  seed: number,
): Fingerprint {
  return {
    schema: 1,
    pairs,
    model,
    ...judgeMeaning(judge),
    votes,
    orders,
    sampling: { ...sampling },
    seed,
  };
}

/** Which judge it is, and a hash of how it is asked and read; its figures are no part of it. */
export function judgeMeaning({ run, iteration, prompt, verdict, voting }: JudgeFile) {
  const { sampling: _sampling, ...rules } = voting;
  const asked = canonicalJson({ prompt, verdict, rules });
  const hash = createHash('sha256').update(asked).digest('hex').slice(0, 16);
  return { judge: `M_${iteration} of ${run}`, asked: hash };
}
