/**
 * `judge.json`: how a judge is prompted and its verdicts are parsed. It is beside the checkpoint, and is all that is
 * needed to use the judge and to reproduce its figures.
 */
import { z } from 'zod';
import { samplingSchema } from '../config/fields.ts';
import { reasoningMarksSchema } from '../platform/schema-fields.ts';
import { type TaskName, taskPrompts } from '../method/tasks.ts';
import { LETTER_PATTERN } from '../method/verdict.ts';
import type { DeepReadonly } from '../platform/deep-readonly.ts';

/** The name of the file beside a checkpoint. */
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
  repository: text.describe('Its repository, if it is a model of the Hugging Face hub.').exactOptional(),
});

const promptText = z.string().refine((found) => found.trim() !== '', 'must not be empty');

const promptParts = {
  system: z.string().describe('The system message, with placeholders.').exactOptional(),
  examples: z
    .array(
      z.object({
        user: z.string().describe('The question, without placeholders.'),
        assistant: z.string().describe('The answer, without placeholders.'),
      }),
    )
    .describe('Examples between the system message and the question. Placeholders in them are not filled in.')
    .exactOptional(),
};

const prompt = promptWith(['instruction', 'responseA', 'responseB']);

/** A prompt whose question has placeholders. */
function promptWith(names: readonly string[]) {
  const listed = (quote: string) =>
    names
      .map((name) => `${quote}{${name}}${quote}`)
      .join(', ')
      .replace(/, ([^,]*)$/, ' and $1');
  return z.object({
    ...promptParts,
    user: promptText
      .refine((found) => names.every((name) => found.includes(`{${name}}`)), `must have ${listed('')}`)
      .describe(`The question, with the placeholders ${listed('`')}.`),
  });
}

function promptsOfTask(task: TaskName) {
  const { plain, reference } = taskPrompts(task);
  return z.object({
    plain: promptWith(plain).describe('The prompt without a reference answer.'),
    reference: promptWith(reference).describe('The prompt with a reference answer.'),
  });
}

const figures = z.object({
  benchmark: text.describe('The name of the benchmark in the run.'),
  format: text.describe('The kind of benchmark (docs/benchmarks.md).'),
  purpose: z
    .enum(['validation', 'test'])
    .describe('A benchmark with the purpose `validation` is used to choose the checkpoint.'),
  pairs: z.int().nonnegative().describe('The number of judged pairs.'),
  accuracy: share.describe(
    'The share of correct verdicts, as the mean of both orders; a judgment without a verdict is incorrect.',
  ),
  accuracyInterval: interval.describe('The 95% interval.'),
  positionConsistentAccuracy: share.describe('The share of pairs with a correct verdict in both orders.'),
  positionConsistentAccuracyInterval: interval.describe('The 95% interval.'),
  shareOfA: share
    .nullable()
    .describe('The share of verdicts for A among judgments with a verdict; null if there are none.'),
  unparsable: share.describe('The share of judgments without a verdict.'),
});

export const judgeFileSchema = z.object({
  formatVersion: z.literal(1).describe('The version of this file format.'),
  run: text.describe('The run that made the judge.'),
  iteration: z.int().nonnegative().describe('The iteration of the judge: i of M_i; 0 is the seed model.'),
  seedModel: namedModel.describe('M_0, from which the training started.'),
  adapter: z
    .object({
      kind: z.literal('lora').describe('Low-rank matrices.'),
      base: namedModel.describe('The model that they were trained for, and merged into.'),
    })
    .describe('Set if an adapter was trained. The checkpoint has full weights in this case, too.')
    .exactOptional(),
  prompt: prompt.describe('The prompt that the judge was trained with.'),
  tasks: z
    .object({
      score: promptsOfTask('score').describe('Rating a response from 1 to 10.').exactOptional(),
      rank: promptsOfTask('rank').describe('Choosing the best of several responses.').exactOptional(),
      verify: promptsOfTask('verify').describe('Saying whether a response is correct.').exactOptional(),
    })
    .describe('The prompts of tasks beyond pairs: of those that the run trains or evaluates.')
    .exactOptional(),
  sampling: samplingSchema.describe('How one judgment is sampled, as in its evaluation.'),
  direct: z
    .object({
      prompt: prompt.describe('The prompt that asks for the verdict alone.'),
      temperature: z
        .number()
        .positive()
        .describe(
          'The log-odds of both letters are divided by this number, which was fitted on validation; 1 by default.',
        )
        .exactOptional(),
    })
    .describe(
      'Set if it was trained to give verdicts alone: how it is asked for them. If it has learned nothing else, `prompt` is the same one.',
    )
    .exactOptional(),
  verdict: z
    .object({
      parser: z
        .literal('one-distinct-letter')
        .describe('A judgment has a verdict if all matches of the pattern have the same letter.'),
      pattern: z.literal(LETTER_PATTERN).describe('A regular expression whose first group is the letter.'),
      letters: z
        .object({
          A: z.literal('A').describe('The response that is shown first.'),
          B: z.literal('B').describe('The response that is shown second.'),
          C: z.literal('tie').describe('Neither response.'),
        })
        .describe('The meaning of each letter.'),
      reasoningMarks: reasoningMarksSchema
        .describe(
          'The marks around the reasoning of a model that thinks before it answers: only the text behind the last `end` is read, and ' +
            'nothing if a `start` at the beginning of a line has no end. Those of known models by default.',
        )
        .exactOptional(),
    })
    .describe('How the verdict is found in the text of a judgment.'),
  voting: z
    .object({
      rule: z.literal('majority').describe('The verdict of most judgments, and then of most orders.'),
      withoutVerdict: z.literal('not-counted').describe('Judgments without a verdict have no vote.'),
      draw: z.literal('tie').describe('The verdict if two verdicts have the same number of votes.'),
      sampling: samplingSchema.describe(
        'How judgments are sampled if there are several votes: at temperature 0 all would be the same.',
      ),
    })
    .describe('How several judgments are combined to one verdict.'),
  figures: z
    .array(figures)
    .describe('Its figures on the benchmarks of its run; empty before its evaluation.'),
});

/** The content of `judge.json`. */
export type JudgeFile = DeepReadonly<z.output<typeof judgeFileSchema>>;

/** The content is no valid `judge.json`, or has a version that is not supported. */
export class InvalidJudgeFile extends Error {
  override readonly name = 'InvalidJudgeFile';
}

/**
 * Parses the content of a `judge.json`.
 * @param where the name of the file in messages: its path or origin
 * @throws InvalidJudgeFile naming all invalid fields
 */
export function parseJudgeFile(content: unknown, where: string): JudgeFile {
  const { success, data, error } = judgeFileSchema.safeParse(content);
  if (success) return data;
  const fields = error.issues.map(({ path, message }) => `${path.join('.') || 'the whole file'}: ${message}`);
  throw new InvalidJudgeFile(`${where} is not a valid judge.json: ${fields.join('; ')}`);
}
