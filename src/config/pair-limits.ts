/** Limits that code can check, with which further pairs are made from pairs (src/datasets/limited-pairs.ts). */
import { z } from 'zod';
import { fraction, positiveInteger, promptFolderPath } from '../platform/schema-fields.ts';

function limitFields<Kind extends string>(kind: Kind, meaning: string) {
  return {
    kind: z.literal(kind).describe(meaning),
    share: fraction
      .gt(0)
      .default(0.25)
      .describe('The share of the pairs from which such pairs are made, beside the pairs themselves.'),
    prompt: promptFolderPath
      .default(`prompts/limit/${kind}`)
      .describe('The prompt with `{limit}` and `{instruction}`; it becomes the instruction of the pair.'),
  };
}

const limitSchema = z.discriminatedUnion('kind', [
  z
    .strictObject({
      ...limitFields('words', '`{limit}` is the most words.'),
      minDifference: positiveInteger
        .default(10)
        .describe('Pairs whose responses differ by fewer words are left out.'),
      slack: z
        .int()
        .nonnegative()
        .default(10)
        .describe('The words by which the longer response stays within the higher limit.'),
      margin: fraction
        .max(0.5)
        .default(0.2)
        .describe('How far the lower limit is from both lengths, as a share of their difference.'),
    })
    .describe('A limit of length (LIFT).'),
  z
    .strictObject(limitFields('sentences', '`{limit}` is the most sentences, two or more.'))
    .describe('A limit of sentences.'),
  z
    .strictObject(limitFields('required-word', '`{limit}` is a word that the answer must have.'))
    .describe('A word of five letters or more.'),
  z
    .strictObject(limitFields('forbidden-word', '`{limit}` is a word that the answer must not have.'))
    .describe('A word of five letters or more.'),
]);

export const limitsSchema = z
  .array(limitSchema)
  .superRefine((limits, context) => {
    for (const [index, { kind }] of limits.entries()) {
      if (limits.findIndex((other) => other.kind === kind) === index) continue;
      context.addIssue({
        code: 'custom',
        path: [index, 'kind'],
        message: `there is another limit "${kind}"`,
      });
    }
  })
  .default([])
  .describe(
    'Makes pairs with a limit that code can check from the pairs, without a model (LIFT, arXiv 2406.17744): one with a limit that ' +
      'both responses keep, and one with a limit that one of them breaks, so that the other is the better one.',
  );
