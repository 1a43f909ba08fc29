/** Values that are unknown before a run: the estimate assumes them, lists them, and accepts other values. */
import type { RunEstimate } from '../api/estimate.ts';

/** A value, and its origin: a default of the product, the user, requests of a probe, or the artifacts of an earlier run. */
export type Assumption = Pick<RunEstimate['assumptions'][number], 'value' | 'from'>;

interface AssumptionDefinition {
  /** The default; undefined if no default makes sense. */
  readonly value: number | undefined;
  readonly max?: number;
  readonly means: string;
}

const ASSUMPTION_DEFINITIONS = {
  instructions: { value: undefined, means: 'instructions in the pool if it cannot be read' },
  pairs: { value: undefined, means: 'provided pairs if their files cannot be read' },
  instructionTokens: {
    value: 100,
    means: 'tokens of an instruction if neither the pool nor provided pairs can be read',
  },
  keptShare: {
    value: undefined,
    max: 1,
    means: 'share of the instructions that are selected by category and complexity',
  },
  categoryTokens: { value: 4, means: 'tokens of an answer that names a category' },
  complexityTokens: { value: 4, means: 'tokens of an answer that rates the complexity of an instruction' },
  responseTokens: { value: 350, means: 'tokens of a response' },
  similarTokens: { value: 100, means: 'tokens of a similar instruction' },
  planTokens: { value: 300, means: 'tokens of a plan for judgments' },
  judgmentTokens: { value: 400, means: 'tokens of a judgment' },
  verdictTokens: { value: 400, means: 'tokens of a judgment in an evaluation' },
  pairShare: { value: 0.9, max: 1, means: 'share of the instructions that lead to a response pair' },
  limitableShare: {
    value: 0.8,
    max: 1,
    means: 'share of the pairs drawn by pairs.limits whose responses a limit can tell apart',
  },
  correctShare: { value: 0.7, max: 1, means: "share of the first judge's judgments that are correct" },
  laterCorrectShare: {
    value: 0.85,
    max: 1,
    means: "share of the trained judges' judgments that are correct",
  },
  followUpShare: {
    value: 0.05,
    max: 1,
    means: 'share of evaluation answers that lead to a second request of the benchmark',
  },
} as const satisfies Record<string, AssumptionDefinition>;

export type AssumptionName = keyof typeof ASSUMPTION_DEFINITIONS;
export type Assumptions = Readonly<Partial<Record<AssumptionName, Assumption>>>;

const ASSUMPTION_NAMES = Object.keys(ASSUMPTION_DEFINITIONS) as AssumptionName[];

const DEFAULT_ASSUMPTIONS: Assumptions = Object.fromEntries(
  Object.entries(ASSUMPTION_DEFINITIONS).flatMap(([name, { value }]) =>
    value === undefined ? [] : [[name, { value, from: 'default' }]],
  ),
);

/**
 * Reads `NAME=NUMBER`.
 * @throws RangeError with the reason, and the available names
 */
export function parseAssumption(text: string): readonly [AssumptionName, Assumption] {
  const [, name, number = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const knownName = ASSUMPTION_NAMES.find((candidate) => candidate === name);
  if (knownName === undefined)
    throw new RangeError(
      `found ${JSON.stringify(text)}; expected NAME=NUMBER, where NAME is one of ${ASSUMPTION_NAMES.join(', ')}`,
    );
  const value = Number(number);
  const { max = Infinity }: AssumptionDefinition = ASSUMPTION_DEFINITIONS[knownName];
  if (!(value >= 0 && value <= max && Number.isFinite(value)))
    throw new RangeError(
      `found ${JSON.stringify(text)}; ${knownName}, the ${ASSUMPTION_DEFINITIONS[knownName].means}, is a number of at least 0` +
        `${max === Infinity ? '' : ` and at most ${max}`}`,
    );
  return [knownName, { value, from: 'option' }];
}

/** The assumptions that an estimate may use, and those that it has used. */
export class AssumptionsInUse {
  readonly #available: Assumptions;
  readonly #used = new Map<AssumptionName, Assumption>();

  /** @param overrides values that replace defaults */
  constructor(overrides: Assumptions) {
    this.#available = { ...DEFAULT_ASSUMPTIONS, ...overrides };
  }

  /** Undefined if nothing is assumed: such an assumption has no default. */
  find(name: AssumptionName): number | undefined {
    const assumption = this.#available[name];
    if (assumption !== undefined) this.#used.set(name, assumption);
    return assumption?.value;
  }

  /** @throws Error if the assumption has no default and isn't set */
  value(name: AssumptionName): number {
    const value = this.find(name);
    if (value === undefined) throw new Error(`nothing is assumed for ${name}`);
    return value;
  }

  /** The assumed value, or one that follows from the configuration. */
  valueOr(name: AssumptionName, value: number): number {
    this.#used.set(name, this.#available[name] ?? { value, from: 'default' });
    return this.find(name) ?? value;
  }

  /**
   * The assumed tokens of an answer. A default is limited to half of `maxTokens`, because a limit is usually set well
   * above the length of an answer; other values are limited to `maxTokens`.
   */
  answerTokens(name: AssumptionName, { maxTokens }: { readonly maxTokens: number }): number {
    const assumed = this.value(name);
    const from = this.#available[name]?.from ?? 'default';
    const value = Math.min(assumed, from === 'default' ? maxTokens / 2 : maxTokens);
    this.#used.set(name, { value, from });
    return value;
  }

  /** What was used, with its meaning, in the order of the definitions. */
  list(): RunEstimate['assumptions'] {
    return ASSUMPTION_NAMES.flatMap((name) => {
      const assumption = this.#used.get(name);
      const { means } = ASSUMPTION_DEFINITIONS[name];
      return assumption === undefined ? [] : [{ name, ...assumption, means }];
    });
  }
}
