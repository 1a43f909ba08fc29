/**
 * `judge.json`: how a judge is asked and read, beside its checkpoint. With it a judge can be used, and its figures had,
 * by who has the checkpoint alone.
 */
import { z } from 'zod';
import { sampling } from '../config/fields.ts';
import { LETTER_PATTERN } from '../judge/verdict.ts';
import type { Immutable } from './immutable.ts';

/** What the file is called beside a checkpoint. */
export const JUDGE_FILE = 'judge.json';

const share = z.number().min(0).max(1);
const text = z.string().min(1);

const interval = z.object({
  low: share.describe('The lower bound.'),
  high: share.describe('The upper bound.'),
});

const namedModel = z.object({
  name: text.describe(
    "The last part of its path, or its id on the Hugging Face hub; never a machine's path.",
  ),
  repository: text
    .describe('Its repository on the Hugging Face hub, where it is one of the hub.')
    .exactOptional(),
});

const promptText = z.string().refine((found) => found.trim() !== '', 'must not be empty');

const prompt = z.object({
  system: z.string().describe('The system message, with placeholders.').exactOptional(),
  examples: z
    .array(
      z.object({
        user: z.string().describe('The question, as it stands.'),
        assistant: z.string().describe('The answer, as it stands.'),
      }),
    )
    .describe('Turns between the system message and the question, as they stand.')
    .exactOptional(),
  user: promptText
    .refine(
      (found) => ['instruction', 'responseA', 'responseB'].every((name) => found.includes(`{${name}}`)),
      'must have {instruction}, {responseA} and {responseB}',
    )
    .describe('The question, with the placeholders `{instruction}`, `{responseA}` and `{responseB}`.'),
});

const figures = z.object({
  benchmark: text.describe("The benchmark's name in the run."),
  format: text.describe('Which benchmark it is (docs/benchmarks.md).'),
  purpose: z.enum(['validation', 'test']).describe('`validation` chose the checkpoint.'),
  pairs: z.int().nonnegative().describe('How many pairs were judged.'),
  accuracy: share.describe('Mean of both orders; a judgment without a verdict is wrong.'),
  accuracyInterval: interval.describe('95% interval.'),
  positionConsistentAccuracy: share.describe('Right in both orders.'),
  positionConsistentAccuracyInterval: interval.describe('95% interval.'),
  shareOfA: share.nullable().describe('Among judgments with a verdict; null where none has one.'),
  unparsable: share.describe('The share of judgments without a verdict.'),
});

export const judgeFileSchema = z.object({
  formatVersion: z.literal(1).describe('Of this file.'),
  run: text.describe('The run that made the judge.'),
  iteration: z.int().nonnegative().describe('Which of its judges it is: i of M_i; 0 is the seed model.'),
  seedModel: namedModel.describe('M_0, which it was trained from.'),
  adapter: z
    .object({
      kind: z.literal('lora').describe('Low-rank matrices.'),
      base: namedModel.describe('The model that they were trained beside, and merged into.'),
    })
    .describe('Set where an adapter was trained. The checkpoint has full weights all the same.')
    .exactOptional(),
  prompt: prompt.describe('What it was trained to answer.'),
  sampling: sampling.describe('How one judgment is sampled, as in its evaluation.'),
  verdict: z
    .object({
      parser: z
        .literal('one-distinct-letter')
        .describe('A judgment has a verdict where all matches of the pattern have the same letter.'),
      pattern: z.literal(LETTER_PATTERN).describe('A regular expression whose first group is the letter.'),
      letters: z
        .object({
          A: z.literal('A').describe('The response that is shown first.'),
          B: z.literal('B').describe('The response that is shown second.'),
          C: z.literal('tie').describe('Neither.'),
        })
        .describe('What each letter means.'),
    })
    .describe('How a verdict is read in a judgment.'),
  voting: z
    .object({
      rule: z.literal('majority').describe('The verdict of most judgments; of most orders likewise.'),
      withoutVerdict: z.literal('not-counted').describe('Judgments without a verdict have no vote.'),
      draw: z.literal('tie').describe('Where two verdicts have as many votes.'),
      sampling: sampling.describe(
        'How judgments are sampled where several vote: at temperature 0 all would be the same.',
      ),
    })
    .describe('How several judgments come to one verdict.'),
  figures: z
    .array(figures)
    .describe('What it reached on the benchmarks of its run; empty before it was evaluated.'),
});

/** What `judge.json` holds. */
export type JudgeFile = Immutable<z.output<typeof judgeFileSchema>>;

/** The content is no `judge.json`, or one that this version doesn't know. */
export class JudgeFileInvalid extends Error {
  override readonly name = 'JudgeFileInvalid';
}

/**
 * Reads what a `judge.json` holds.
 * @param where what the message calls it: its path, or where it came from
 * @throws JudgeFileInvalid naming every field that is wrong
 */
export function readJudge(content: unknown, where: string): JudgeFile {
  const { success, data, error } = judgeFileSchema.safeParse(content);
  if (success) return data;
  const fields = error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
  throw new JudgeFileInvalid(`${where} is no judge.json that can be used: ${fields.join('; ')}`);
}
