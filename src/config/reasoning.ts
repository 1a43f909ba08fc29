/** How the reasoning of models is told apart from their answers. */
import { z } from 'zod';
import { REASONING_MARKS, type ReasoningMarks } from '../method/reasoning.ts';

const markText = z.string().min(1);

export const reasoningMarksSchema = z
  .array(
    z.strictObject({
      start: markText.describe('Begins the reasoning; omitted if nothing does.').exactOptional(),
      end: markText.describe('Ends the reasoning: the answer is behind the last one.'),
    }),
  )
  .min(1);

export const reasoningSchema = z.strictObject({
  marks: reasoningMarksSchema
    .nullable()
    .default(null)
    .describe(
      'The marks around the reasoning in a text, such as `{"start": "<think>", "end": "</think>"}`; null means those of all known ' +
        'models (src/method/reasoning.ts). Verdicts, responses and instructions are read behind the reasoning.',
    ),
});

/** The marks of a configuration. */
export function reasoningMarksOf({
  reasoning,
}: {
  readonly reasoning: { readonly marks: readonly ReasoningMarks[] | null };
}): readonly ReasoningMarks[] {
  return reasoning.marks ?? REASONING_MARKS;
}

/** The marks as an input of fingerprints, to which the default ones don't belong. */
export function marksFingerprintInputs({
  reasoning: { marks },
}: {
  readonly reasoning: { readonly marks: readonly ReasoningMarks[] | null };
}) {
  return marks === null ? {} : { reasoningMarks: marks.map(({ start = null, end }) => ({ start, end })) };
}
