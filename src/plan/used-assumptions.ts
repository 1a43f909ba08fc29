import type { Configuration } from '../config/schema.ts';
import {
  answerTokens,
  KNOWN_ASSUMPTIONS,
  type Assumption,
  type AssumptionName,
  type Assumptions,
} from './assumptions.ts';
import { keptShare } from './expected-usage.ts';
import type { Plan } from './plan-schema.ts';

/** What stands in for what is not known. */
export interface Unknowns {
  readonly pool: boolean;
  readonly selected: boolean;
  readonly pairs: boolean;
  readonly followUps: boolean;
}

/** The assumptions that a plan's numbers rest on, with the values that were used, in their order. */
export function usedAssumptions(
  configuration: Configuration,
  assumptions: Assumptions,
  unknown: Unknowns,
): Plan['assumptions'] {
  const { instructions, pairs, judging, evaluation, iterations } = configuration;
  const { categories, complexity } = instructions;
  const isAsked = categories !== null || complexity !== null;
  /** Undefined: it bears on nothing here. */
  const used: Readonly<Record<AssumptionName, Assumption | undefined>> = {
    instructions: unknown.pool ? assumptions.instructions : undefined,
    instructionTokens: unknown.pool ? assumptions.instructionTokens : undefined,
    keptShare:
      unknown.selected && isAsked
        ? (assumptions.keptShare ?? { value: keptShare(configuration, assumptions), from: 'rule' })
        : undefined,
    categoryTokens: bounded(assumptions.categoryTokens, categories?.sampling),
    complexityTokens: bounded(assumptions.complexityTokens, complexity?.sampling),
    responseTokens: bounded(assumptions.responseTokens, pairs.responseSampling),
    similarTokens:
      pairs.construction === 'worse-response'
        ? undefined
        : bounded(assumptions.similarTokens, pairs.similarSampling),
    judgmentTokens: bounded(assumptions.judgmentTokens, judging.sampling),
    verdictTokens: bounded(assumptions.verdictTokens, evaluation.sampling),
    pairShare: unknown.pairs ? assumptions.pairShare : undefined,
    rightShare: assumptions.rightShare,
    laterRightShare: iterations > 1 ? assumptions.laterRightShare : undefined,
    followUpShare: unknown.followUps ? assumptions.followUpShare : undefined,
  };
  return Object.entries(used).flatMap(([name, assumption]) =>
    assumption === undefined
      ? []
      : [{ name, ...assumption, means: KNOWN_ASSUMPTIONS[name as AssumptionName].means }],
  );
}

function bounded(
  assumption: Assumption | undefined,
  sampling: { readonly maxTokens: number } | undefined,
): Assumption | undefined {
  if (assumption === undefined || sampling === undefined) return undefined;
  return { ...assumption, value: answerTokens(assumption, sampling) };
}
