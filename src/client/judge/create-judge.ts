import { type Turn, conversationText } from '../../judge/conversation.ts';
import type { Sampling } from '../../config/schema.ts';
import { type JudgeFile, readJudge } from '../../contract/judge-file.ts';
import {
  askedOrders,
  type GivenPair,
  orderRequest,
  orderVerdict,
  type PairVerdict,
  pairVerdict,
  type Voting,
} from '../../judge/comparison.ts';
import { votingOf } from '../../judge/voting.ts';
import { Chat, type ChatOptions } from './chat.ts';
import { mostComparisons, rankBy, type RankedResponse, type Tournament } from './tournament.ts';

export interface JudgeOptions extends ChatOptions {
  /** What the checkpoint's `judge.json` holds. */
  readonly judge: JudgeFile;
  /** Judgments of each order, whose majority counts; 1 by default. */
  readonly votes?: number | undefined;
  /**
   * `both` asks once more with the responses exchanged: what has the same verdict in both orders doesn't come from its
   * place. `one` by default.
   */
  readonly orders?: 'one' | 'both' | undefined;
  /** Instead of what `judge.json` says, field by field. */
  readonly sampling?: Partial<Sampling> | undefined;
  /** Varies what is drawn; the same question under the same seed has the same answer where the server honours seeds. 1 by default. */
  readonly seed?: number | undefined;
}

/** What asking cost. */
export interface Spent {
  /** Requests that were answered. */
  readonly calls: number;
  readonly tokens: { readonly prompt: number; readonly completion: number };
}

/** What a judge says about two responses, and what it took. */
export type Comparison = PairVerdict & Spent;

export interface Ranking extends Spent {
  readonly tournament: Tournament;
  /** The best first. */
  readonly ranked: readonly RankedResponse[];
  readonly comparisons: readonly (Comparison & { readonly a: number; readonly b: number })[];
}

/** An instruction, or a conversation whose next turn the responses are. */
export type Instruction = string | readonly Turn[];

interface CallOptions {
  /** Ends what is under way: it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface Judge {
  /** What was given as `judge`, read. */
  readonly judge: JudgeFile;
  /** How it is asked. */
  readonly voting: Voting;
  /**
   * Compares two responses.
   * @throws EndpointUnavailable, EndpointRejected, ModelNotFound, RequestRefused; the signal's reason
   */
  compare(instruction: Instruction, a: string, b: string, options?: CallOptions): Promise<Comparison>;
  /**
   * Ranks responses by a tournament: `round-robin` (the default) compares each with each other, `merge-sort` only as many
   * as sorting takes, and relies on the judge not to go in circles.
   * @throws as `compare`
   */
  rank(
    instruction: Instruction,
    responses: readonly string[],
    options?: CallOptions & { readonly tournament?: Tournament | undefined },
  ): Promise<Ranking>;
  /**
   * How many comparisons, and requests, ranking so many responses takes at most; of `round-robin` it is the number. A
   * server that doesn't know `n` takes a request for each vote instead.
   */
  callsFor(
    responses: number,
    tournament?: Tournament,
  ): { readonly comparisons: number; readonly calls: number };
}

/**
 * A judge at an OpenAI-compatible endpoint, asked as its `judge.json` says.
 * @throws JudgeFileInvalid, EndpointRejected for a key that can't be sent, VotingRefused
 */
export function createJudge(options: JudgeOptions): Judge {
  const judge = readJudge(options.judge, 'what was given as judge');
  const voting = votingOf(judge, options);
  const chat = new Chat(options);
  const orders = askedOrders(voting);
  const { seed = 1 } = options;

  async function compare(pair: GivenPair, signal: AbortSignal | undefined): Promise<Comparison> {
    const ended = new AbortController();
    const either = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
    try {
      const answers = await Promise.all(
        orders.map((order) =>
          chat.complete({ ...orderRequest(judge.prompt, pair, order, voting, seed), signal: either }),
        ),
      );
      const verdicts = orders.map((order, index) => orderVerdict(order, answers[index]?.choices ?? []));
      return { ...pairVerdict(verdicts), ...spent(answers) };
    } catch (error) {
      // The other order would be paid for in vain.
      ended.abort(error);
      throw error;
    }
  }

  return {
    judge,
    voting,
    compare: (instruction, a, b, { signal } = {}) =>
      compare({ instruction: instructionText(instruction), a, b }, signal),
    async rank(instruction, responses, { tournament = 'round-robin', signal } = {}) {
      const text = instructionText(instruction);
      const comparisons: (Comparison & { a: number; b: number })[] = [];
      const ended = new AbortController();
      const either = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
      try {
        const ranked = await rankBy(tournament, responses.length, async (a, b) => {
          const pair = { instruction: text, a: responses[a] ?? '', b: responses[b] ?? '' };
          const comparison = await compare(pair, either);
          comparisons.push({ a, b, ...comparison });
          return comparison.verdict;
        });
        comparisons.sort((one, other) => one.a - other.a || one.b - other.b);
        return { tournament, ranked, comparisons, ...sumSpent(comparisons) };
      } catch (error) {
        ended.abort(error);
        throw error;
      }
    },
    callsFor(responses, tournament = 'round-robin') {
      const comparisons = mostComparisons(tournament, responses);
      return { comparisons, calls: comparisons * orders.length };
    },
  };
}

function instructionText(instruction: Instruction): string {
  return typeof instruction === 'string' ? instruction : conversationText(instruction);
}

function spent(
  answers: readonly { calls: number; usage: { promptTokens: number; completionTokens: number } }[],
): Spent {
  return sumSpent(
    answers.map(({ calls, usage }) => ({
      calls,
      tokens: { prompt: usage.promptTokens, completion: usage.completionTokens },
    })),
  );
}

/** The sum of what several took. */
export function sumSpent(parts: readonly Spent[]): Spent {
  const sum = (of: (part: Spent) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    calls: sum(({ calls }) => calls),
    tokens: {
      prompt: sum(({ tokens }) => tokens.prompt),
      completion: sum(({ tokens }) => tokens.completion),
    },
  };
}
