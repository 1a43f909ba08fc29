/**
 * Direct verdicts: the judge is asked for its verdict alone in both orders of a pair, which takes a few tokens. Only if it is not
 * sure enough does it reason (CAMEL, arXiv 2602.20670, gates the same way).
 */
import type { JudgeFile } from '../api/judge-file.ts';
import { confidenceOf } from '../benchmarks/calibration.ts';
import {
  orderRequest,
  orderVerdict,
  pairVerdict,
  PRESENTATION_ORDERS,
  type ComparisonPair,
  type PairVerdict,
  type PresentationOrder,
} from '../method/pair-comparison.ts';
import type { PromptTemplate } from '../method/prompt-template.ts';
import { logOddsOf, verdictProbabilities, type VerdictProbabilities } from '../method/verdict-probability.ts';
import { parseVerdict, type Verdict } from '../method/verdict.ts';
import { InvalidVoting } from '../method/voting.ts';
import { TOP_LOGPROBS } from '../models/inference/require-logprobs.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import type { AskJudge, Vote } from './vote.ts';

/** How a judge is asked for direct verdicts, and how sure it must be of them. */
export interface DirectJudging {
  /** Asks for the verdict alone. */
  readonly prompt: PromptTemplate;
  /** The least probability of a direct verdict, in the order in which it is lower; 0.5 to 1. */
  readonly threshold: number;
  /** The log-odds of both letters are divided by this number. */
  readonly temperature: number;
}

/** The answer in one order, with the probabilities of both letters if it names one. */
export interface DirectVote extends Vote {
  readonly direct: { readonly probabilities?: VerdictProbabilities };
}

/** The worth of the direct verdict of a pair. */
export interface DirectOutcome {
  /** True if it is the verdict on the pair; otherwise the judge has reasoned. */
  readonly decided: boolean;
  /** The lower probability of the response that both orders name; null if they name none or different ones. */
  readonly probability: number | null;
  /** The verdict in the original order, and in the swapped one. */
  readonly verdicts: readonly Verdict[];
  /** The tokens that both answers took. */
  readonly tokens: number;
}

/** The parameters of requests for direct verdicts: `[[A]]` has at most four tokens in all common vocabularies. */
export const DIRECT_REQUEST = {
  sampling: { temperature: 0, topP: 1, maxTokens: 4 },
  samples: 1,
  topLogprobs: TOP_LOGPROBS,
} as const;

/**
 * Combines what is asked for with the prompt and temperature in `judge.json`.
 * @throws InvalidVoting if the threshold is out of its range, there is no prompt, or the judge has learned verdicts alone
 */
export function resolveDirect(
  { direct, prompt: reasoned }: Pick<JudgeFile, 'direct' | 'prompt'>,
  requested: { readonly threshold: number; readonly prompt?: PromptTemplate | undefined },
): DirectJudging {
  const { threshold } = requested;
  if (!(threshold >= 0.5 && threshold <= 1))
    throw new InvalidVoting(
      `the threshold of direct verdicts is ${threshold}, but must be a probability from 0.5 to 1`,
    );
  if (direct !== undefined && canonicalJson(direct.prompt) === canonicalJson(reasoned))
    throw new InvalidVoting(
      'this judge has learned verdicts alone (in judge.json, direct.prompt is its only prompt), so it can not reason where it is not sure: ' +
        'leave direct verdicts out, and it is asked for its verdict alone; or train it with "mode": "beside"',
    );
  const prompt = requested.prompt ?? direct?.prompt;
  if (prompt === undefined)
    throw new InvalidVoting(
      'the judge.json has no prompt for direct verdicts (direct.prompt): give one, such as the text of prompts/direct',
    );
  // A temperature that was fitted for another prompt says nothing about this one.
  const isOwn = canonicalJson(prompt) === canonicalJson(direct?.prompt ?? null);
  return { prompt, threshold, temperature: (isOwn ? direct?.temperature : undefined) ?? 1 };
}

/** Requests the direct verdict on a pair in one order if it is missing. */
export async function collectDirectVote(
  { direct, seed }: { readonly direct: DirectJudging; readonly seed: number },
  order: PresentationOrder,
  unit: { readonly id: string; readonly pair: ComparisonPair },
  existing: readonly Vote[],
  emit: (vote: DirectVote) => void,
  ask: AskJudge,
): Promise<void> {
  if (existing.some((vote) => isDirectVote(vote) && vote.order === order)) return;
  const { sampling, topLogprobs } = DIRECT_REQUEST;
  const voting = { sampling, votes: 1, orders: 'both' } as const;
  const request = orderRequest(direct.prompt, unit.pair, order, voting, seed);
  const { choices, usage } = await ask({ ...request, topLogprobs });
  const [choice] = choices;
  if (choice === undefined) return;
  const { text, reasoning, finishReason, logprobs = [] } = choice;
  const probabilities = verdictProbabilities(logprobs);
  emit({
    id: `${unit.id}/direct/${order}`,
    unit: unit.id,
    order,
    vote: 0,
    text,
    ...(reasoning === undefined ? {} : { reasoning }),
    finishReason,
    direct: probabilities === undefined ? {} : { probabilities },
    usage,
  });
}

export function isDirectVote(vote: Vote): vote is DirectVote {
  return vote.direct !== undefined;
}

/** The verdict on a pair from its direct votes, and whether the judge is sure enough of it. */
export function directVerdict(
  { direct, judge }: { readonly direct: DirectJudging; readonly judge: JudgeFile },
  votes: readonly Vote[],
): { readonly outcome: DirectOutcome; readonly pair: PairVerdict } {
  const given = votes.filter(isDirectVote);
  const marks = judge.verdict.reasoningMarks;
  const orders = PRESENTATION_ORDERS.map((order) =>
    orderVerdict(
      order,
      given.filter((vote) => vote.order === order),
      marks,
    ),
  );
  const pair = pairVerdict(orders);
  const confidences = given.map((vote) => confidenceInLetter(vote, direct.temperature, marks));
  const isNamed = pair.consistent === true && !confidences.includes(undefined);
  const probability = isNamed ? Math.min(...(confidences as number[])) : null;
  return {
    pair,
    outcome: {
      decided: probability !== null && probability >= direct.threshold,
      probability,
      verdicts: orders.map(({ verdict }) => verdict),
      tokens: given.reduce((total, { usage }) => total + (usage?.completionTokens ?? 0), 0),
    },
  };
}

function confidenceInLetter(
  { text, direct: { probabilities } }: DirectVote,
  temperature: number,
  marks: JudgeFile['verdict']['reasoningMarks'],
): number | undefined {
  const letter = parseVerdict(text, marks);
  if (probabilities === undefined || (letter !== 'A' && letter !== 'B')) return undefined;
  return confidenceOf({ logOdds: logOddsOf(probabilities, letter) }, temperature);
}
