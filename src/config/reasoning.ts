/** How the reasoning of models is told apart from their answers. */
import { z } from 'zod';
import { REASONING_MARKS, type ReasoningMarks } from '../method/reasoning.ts';
import { reasoningMarksSchema } from '../platform/schema-fields.ts';

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
