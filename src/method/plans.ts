/** Plans: how to judge an instruction, written before its responses are seen (EvalPlanner, arXiv 2501.18099). */

import { stableHash } from '../platform/stable-hash.ts';

/** Identifies the instruction that plans are for: pairs with the same one share them. */
export function instructionKey(instruction: string): string {
  return stableHash('instruction', instruction);
}

/** How many plans and judgments of each are sampled. */
export interface PlannedSampling {
  readonly samples: number;
  readonly plan?: { readonly samples: number } | undefined;
}

/** The most judgments of an example: those of all plans together. */
export function judgmentsOfExample({ samples, plan }: PlannedSampling): number {
  return samples * plansOf({ plan });
}

/** The plans of an example; without plans its judgments count as those of one. */
export function plansOf({ plan }: Pick<PlannedSampling, 'plan'>): number {
  return plan?.samples ?? 1;
}

/** The text that a judge learns: it writes the plan itself, and then follows it. */
export function plannedText(plan: string | undefined, judgment: string): string {
  return plan === undefined ? judgment : `${plan}\n\n${judgment}`;
}
