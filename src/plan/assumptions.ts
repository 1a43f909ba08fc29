/** What nothing on disk can tell before the work: a plan assumes it, says so, and lets it be set. */

/** Where a number comes from: the product's rule, the user, requests that were sent, or the artifacts of a run. */
export type Origin = 'rule' | 'given' | 'probe' | 'artifacts';

export interface Assumption {
  readonly value: number;
  readonly from: Origin;
}

interface Known {
  /** Undefined: there is no sensible number. */
  readonly value: number | undefined;
  readonly most?: number;
  readonly means: string;
}

/** Lengths in tokens are bounded by half of the sampling's `maxTokens`, shares are 0 to 1. */
export const KNOWN_ASSUMPTIONS = {
  instructions: { value: undefined, means: 'instructions in the pool, where it cannot be read' },
  pairs: { value: undefined, means: 'given pairs, where their files cannot be read' },
  instructionTokens: {
    value: 100,
    means: 'tokens of an instruction, where neither the pool nor given pairs can be read',
  },
  keptShare: {
    value: undefined,
    most: 1,
    means: 'share of the instructions whose category and complexity are kept',
  },
  categoryTokens: { value: 4, means: 'tokens of an answer that names a category' },
  complexityTokens: { value: 4, means: 'tokens of an answer that says how complex an instruction is' },
  responseTokens: { value: 350, means: 'tokens of a response' },
  similarTokens: { value: 100, means: 'tokens of a similar instruction' },
  judgmentTokens: { value: 400, means: 'tokens of a judgment' },
  verdictTokens: { value: 400, means: 'tokens of a judgment in an evaluation' },
  pairShare: { value: 0.9, most: 1, means: 'share of the instructions that lead to a response pair' },
  rightShare: { value: 0.7, most: 1, means: "share of the first judge's judgments that are right" },
  laterRightShare: {
    value: 0.85,
    most: 1,
    means: 'share of the judgments of judges that were trained that are right',
  },
  followUpShare: {
    value: 0.05,
    most: 1,
    means: 'share of evaluation answers after which the benchmark asks once more',
  },
} as const satisfies Record<string, Known>;

export type AssumptionName = keyof typeof KNOWN_ASSUMPTIONS;
export type Assumptions = Readonly<Partial<Record<AssumptionName, Assumption>>>;

export const ASSUMPTION_NAMES = Object.keys(KNOWN_ASSUMPTIONS) as AssumptionName[];

/** What the product assumes by itself. */
export const RULES: Assumptions = Object.fromEntries(
  Object.entries(KNOWN_ASSUMPTIONS).flatMap(([name, { value }]) =>
    value === undefined ? [] : [[name, { value, from: 'rule' }]],
  ),
);

/**
 * Reads `NAME=NUMBER`.
 * @throws RangeError that says what is wrong, and which names there are
 */
export function readAssumption(text: string): readonly [AssumptionName, Assumption] {
  const [, name, number = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const known = ASSUMPTION_NAMES.find((each) => each === name);
  if (known === undefined)
    throw new RangeError(
      `found ${JSON.stringify(text)}; expected NAME=NUMBER, where NAME is one of ${ASSUMPTION_NAMES.join(', ')}`,
    );
  const value = Number(number);
  const { most = Infinity }: Known = KNOWN_ASSUMPTIONS[known];
  if (!(value >= 0 && value <= most && Number.isFinite(value)))
    throw new RangeError(
      `found ${JSON.stringify(text)}; ${known}, the ${KNOWN_ASSUMPTIONS[known].means}, is a number of at least 0` +
        `${most === Infinity ? '' : ` and at most ${most}`}`,
    );
  return [known, { value, from: 'given' }];
}

/**
 * The tokens of an answer: as assumed, but where only a rule says so no more than half of what the sampling allows,
 * because a bound is set above what answers take.
 */
export function answerTokens(
  { value, from }: Assumption,
  { maxTokens }: { readonly maxTokens: number },
): number {
  return Math.min(value, from === 'rule' ? maxTokens / 2 : maxTokens);
}
