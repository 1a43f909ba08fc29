import { generationIn } from '../config/pair-source.ts';
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
  /** The pool, or the given pairs. */
  readonly source: boolean;
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
  const { judging, evaluation, iterations } = configuration;
  const generation = generationIn(configuration);
  const made = generation?.pairs;
  const { categories, complexity } = generation?.instructions ?? {};
  const only = (condition: boolean, name: AssumptionName) => (condition ? assumptions[name] : undefined);
  /** Undefined: it bears on nothing here. */
  const used: Readonly<Record<AssumptionName, Assumption | undefined>> = {
    instructions: only(unknown.source && generation !== undefined, 'instructions'),
    pairs: only(unknown.source && unknown.pairs && generation === undefined, 'pairs'),
    instructionTokens: only(unknown.source, 'instructionTokens'),
    keptShare:
      unknown.selected && generation !== undefined && (categories ?? complexity ?? null) !== null
        ? (assumptions.keptShare ?? { value: keptShare(generation.instructions, assumptions), from: 'rule' })
        : undefined,
    categoryTokens: bounded(assumptions.categoryTokens, categories?.sampling),
    complexityTokens: bounded(assumptions.complexityTokens, complexity?.sampling),
    // Those of given pairs stand in their files.
    responseTokens:
      made === undefined
        ? only(unknown.source, 'responseTokens')
        : bounded(assumptions.responseTokens, made.responseSampling),
    similarTokens:
      made?.construction === 'worse-response'
        ? undefined
        : bounded(assumptions.similarTokens, made?.similarSampling),
    judgmentTokens: bounded(assumptions.judgmentTokens, judging.sampling),
    verdictTokens: bounded(assumptions.verdictTokens, evaluation.sampling),
    pairShare: only(unknown.pairs && generation !== undefined, 'pairShare'),
    rightShare: assumptions.rightShare,
    laterRightShare: only(iterations > 1, 'laterRightShare'),
    followUpShare: only(unknown.followUps, 'followUpShare'),
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
