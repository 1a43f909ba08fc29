import { InvalidJudgeFile, type JudgeFile, parseJudgeFile } from '../api/judge-file.ts';
import { type ConversationTurn, conversationText } from '../method/conversation.ts';
import { type ComparisonPair, requestedOrders, type VotingOptions } from '../method/pair-comparison.ts';
import type { PromptTemplate } from '../method/prompt-template.ts';
import { requestedTurns, type TaskJudgment, type TaskVerdict } from '../method/task-verdicts.ts';
import { MAX_RANKED, type TaskName, type TaskRecord } from '../method/tasks.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import { resolveVoting } from '../method/voting.ts';
import { createInferenceClient } from '../models/inference/client.ts';
import { apiKeyOf, type Endpoint, redactUrl } from '../models/inference/endpoint.ts';
import { AuthenticationFailed } from '../models/inference/errors.ts';
import { resolveDirect } from './direct-verdict.ts';
import {
  askAtEndpoints,
  type JudgedVerdict,
  judgePair,
  type JudgeUsage,
  sumJudgeUsage,
  verdictOfVotes,
} from './judge-pair.ts';
import { collectTaskVotes, type TaskJudge, taskVerdictOfVotes, type TaskVote } from './judge-task.ts';
import {
  maxComparisons,
  rankByPoints,
  rankByTournament,
  type RankedResponse,
  type Tournament,
} from './tournament.ts';
import type { Vote } from './vote.ts';

export interface JudgeOptions {
  /** The base URL of the OpenAI-compatible API, which usually ends in `/v1`. */
  readonly baseUrl: string;
  /** The model's name at the endpoint. */
  readonly model: string;
  /** Sent as a bearer token, or in `apiKeyHeader`. It never appears in a message. */
  readonly apiKey?: string | undefined;
  /** The header that carries the key, such as `x-api-key`; by default `api-key` for Azure and `Authorization` for all others. */
  readonly apiKeyHeader?: string | undefined;
  /** The content of the checkpoint's `judge.json`. */
  readonly judge: JudgeFile;
  /** Number of judgments in each order, of which the majority decides; 1 by default. */
  readonly votes?: number | undefined;
  /**
   * `both` judges each pair a second time with the responses swapped: a verdict that is the same in both orders
   * doesn't depend on the position of a response. `one` by default.
   */
  readonly orders?: 'one' | 'both' | undefined;
  /** Replaces the sampling of `judge.json`, field by field. */
  readonly sampling?: Partial<SamplingParameters> | undefined;
  /**
   * Asks for the verdict alone in both orders first, which takes a few tokens. It is the verdict if both name the same response,
   * each with at least this probability; otherwise the judge reasons. The endpoint must give `logprobs` with `top_logprobs`.
   */
  readonly direct?:
    | {
        /** From 0.5 to 1. */
        readonly threshold: number;
        /** Asks for the verdict alone; by default the one in `judge.json`, with the temperature that was fitted for it. */
        readonly prompt?: PromptTemplate | undefined;
      }
    | undefined;
  /**
   * The seed of the samples; 1 by default. For the same question and seed, a server that supports seeds returns the
   * same answer.
   */
  readonly seed?: number | undefined;
  /**
   * Maximum number of requests in flight, over all calls; 16 by default. Fewer are sent while the endpoint is
   * overloaded.
   */
  readonly maxConcurrency?: number | undefined;
  /** Timeout of one attempt in seconds, including reading the complete answer; 300 by default. */
  readonly requestTimeoutSeconds?: number | undefined;
  /** Maximum number of attempts of a request if the endpoint returns no usable answer; 5 by default. */
  readonly attempts?: number | undefined;
  /** Is told once of each thing that the endpoint does differently from what was asked, such as taking no seed. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

/** A judge's verdict on two responses, and its cost. */
export type Comparison = JudgedVerdict;

export interface Ranking extends JudgeUsage {
  readonly tournament: Tournament;
  /** Best response first. */
  readonly ranked: readonly RankedResponse[];
  readonly comparisons: readonly (Comparison & { readonly a: number; readonly b: number })[];
  /** Only for `at-once`: the judgments, in each order of the responses. */
  readonly turns?: TaskVerdict['turns'];
}

/** A response's score, and its cost. */
export interface Scoring extends JudgeUsage {
  /** From 1 to 10, the mean of the votes; null if no judgment has a score. */
  readonly score: number | null;
  readonly judgments: readonly TaskJudgment[];
}

/** The verdict whether a response is correct, and its cost. */
export interface Verification extends JudgeUsage {
  /** The verdict of most votes; `none` for a draw, or if no judgment has a verdict. */
  readonly verdict: 'correct' | 'incorrect' | 'none';
  readonly judgments: readonly TaskJudgment[];
}

/** An instruction, or a conversation that the responses continue. */
export type Instruction = string | readonly ConversationTurn[];

interface CallOptions {
  /** Aborts the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

interface ReferenceOptions extends CallOptions {
  /** An answer that is known to be correct. */
  readonly reference?: string | undefined;
}

interface RubricOptions extends ReferenceOptions {
  /** The description of a good response; by default, how helpful, relevant, accurate, complete and clear it is. */
  readonly rubric?: string | undefined;
}

export interface Judge {
  /** The parsed content of `judge.json`. */
  readonly judge: JudgeFile;
  /** The settings with which pairs are judged. */
  readonly voting: VotingOptions;
  /**
   * Compares two responses.
   * @throws an InferenceError: EndpointUnavailable, CreditExhausted, AuthenticationFailed, ModelNotFound, EndpointUnsuitable,
   * RequestRejected; the signal's reason
   */
  compare(instruction: Instruction, a: string, b: string, options?: CallOptions): Promise<Comparison>;
  /**
   * Ranks responses by a tournament. `round-robin` (the default) compares every two of them. `merge-sort` compares
   * only as many as sorting needs, and assumes that the judge's preferences are transitive. `at-once` shows all of them, at
   * most 26, and asks for the best; with `orders: 'both'` once for each response, so that each takes every place. Only it
   * heeds `rubric` and `reference`.
   * @throws as `compare`; InvalidJudgeFile if `judge.json` has no prompts for `at-once`; RangeError
   */
  rank(
    instruction: Instruction,
    responses: readonly string[],
    options?: RubricOptions & { readonly tournament?: Tournament | undefined },
  ): Promise<Ranking>;
  /**
   * Rates a response from 1 to 10.
   * @throws as `compare`; InvalidJudgeFile if `judge.json` has no prompts for it
   */
  score(instruction: Instruction, response: string, options?: RubricOptions): Promise<Scoring>;
  /**
   * Says whether a response is correct.
   * @throws as `compare`; InvalidJudgeFile if `judge.json` has no prompts for it
   */
  verify(instruction: Instruction, response: string, options?: ReferenceOptions): Promise<Verification>;
  /**
   * The maximum number of comparisons and requests for ranking this many responses; `round-robin` needs exactly as
   * many. A server that doesn't support `n` needs one request for each vote.
   */
  requestsFor(
    responses: number,
    tournament?: Tournament,
  ): { readonly comparisons: number; readonly requests: number };
}

/**
 * Makes a judge at an OpenAI-compatible endpoint, prompted as its `judge.json` says.
 * @throws InvalidJudgeFile, InvalidVoting; AuthenticationFailed for an address or a key that can't be used;
 * RangeError
 */
export function createJudge(options: JudgeOptions): Judge {
  const { seed = 1, maxConcurrency = 16, requestTimeoutSeconds = 300, attempts = 5 } = options;
  const judge = parseJudgeFile(options.judge, 'the given judge');
  const voting = resolveVoting(judge, options);
  const direct = options.direct === undefined ? undefined : resolveDirect(judge, options.direct);
  const endpoint = usableEndpoint(options);
  if (!Number.isInteger(maxConcurrency) || maxConcurrency < 1)
    throw new RangeError(`maxConcurrency is ${maxConcurrency}, but must be a whole number of 1 or more.`);
  const inference = createInferenceClient({
    concurrency: { minimum: 1, maximum: maxConcurrency },
    requestTimeoutSeconds,
    retry: { attempts, initialSeconds: 0.5, maximumSeconds: 8 },
    environment: {},
    onNotice: options.onNotice,
  });
  const orders = requestedOrders(voting);

  async function compare(pair: ComparisonPair, signal: AbortSignal | undefined): Promise<Comparison> {
    return withAbortOnFailure(signal, async (either) => {
      const votes: Vote[] = [];
      const ask = askAtEndpoints(inference, [endpoint], either);
      const judging = { judge, voting, seed, direct };
      const emit = (vote: Vote) => void votes.push(vote);
      await judgePair(judging, { id: '', pair }, [], emit, ask, (each, work) => Promise.all(each.map(work)));
      return verdictOfVotes(judging, votes);
    });
  }

  /** @throws InvalidJudgeFile */
  async function judgeTask(task: TaskName, record: TaskRecord, signal: AbortSignal | undefined) {
    const prompts = judge.tasks?.[task];
    if (prompts === undefined)
      throw new InvalidJudgeFile(
        `The given judge has no prompts for this task: add tasks.${task} to it, for example those of prompts/${task} of the package ` +
          'self-taught-evaluator; the judge.json of a run has those of the tasks among its benchmarks.',
      );
    return withAbortOnFailure(signal, async (either) => {
      const votes: TaskVote[] = [];
      const { reasoningMarks } = judge.verdict;
      const judging: TaskJudge = { task, prompts, reasoningMarks, voting, seed };
      const ask = askAtEndpoints(inference, [endpoint], either);
      const emit = (vote: TaskVote) => void votes.push(vote);
      await collectTaskVotes(judging, { id: '', record }, [], emit, ask, (turns, work) =>
        Promise.all(turns.map(work)),
      );
      return taskVerdictOfVotes(judging, record, votes);
    });
  }

  async function rankAtOnce(record: TaskRecord, signal: AbortSignal | undefined): Promise<Ranking> {
    const { length } = record.responses;
    if (length > MAX_RANKED)
      throw new RangeError(`at-once ranks at most ${MAX_RANKED} responses, but there are ${length}.`);
    const common = { tournament: 'at-once' as const, comparisons: [] };
    if (length < 2)
      return {
        ...common,
        ranked: rankByPoints(record.responses.map(() => 0)),
        turns: [],
        ...sumJudgeUsage([]),
      };
    const { points = [], turns, requests, tokens } = await judgeTask('rank', record, signal);
    return { ...common, ranked: rankByPoints(points), turns, requests, tokens };
  }

  return {
    judge,
    voting,
    async score(instruction, response, { rubric, reference, signal } = {}) {
      const record = { instruction: instructionText(instruction), responses: [response], rubric, reference };
      const { verdict, turns, requests, tokens } = await judgeTask('score', record, signal);
      return {
        score: typeof verdict === 'number' ? verdict : null,
        judgments: judgmentsOf(turns),
        requests,
        tokens,
      };
    },
    async verify(instruction, response, { reference, signal } = {}) {
      const record = { instruction: instructionText(instruction), responses: [response], reference };
      const { verdict, turns, requests, tokens } = await judgeTask('verify', record, signal);
      return {
        verdict: typeof verdict === 'number' ? 'none' : verdict,
        judgments: judgmentsOf(turns),
        requests,
        tokens,
      };
    },
    compare: (instruction, a, b, { signal } = {}) =>
      compare({ instruction: instructionText(instruction), a, b }, signal),
    rank(instruction, responses, { tournament = 'round-robin', rubric, reference, signal } = {}) {
      const text = instructionText(instruction);
      if (tournament === 'at-once')
        return rankAtOnce({ instruction: text, responses, rubric, reference }, signal);
      return withAbortOnFailure(signal, async (either) => {
        const comparisons: (Comparison & { a: number; b: number })[] = [];
        const ranked = await rankByTournament(tournament, responses.length, async (a, b) => {
          const pair = { instruction: text, a: responses[a] ?? '', b: responses[b] ?? '' };
          const comparison = await compare(pair, either);
          comparisons.push({ a, b, ...comparison });
          return comparison.verdict;
        });
        comparisons.sort((one, other) => one.a - other.a || one.b - other.b);
        return { tournament, ranked, comparisons, ...sumJudgeUsage(comparisons) };
      });
    },
    requestsFor(responses, tournament = 'round-robin') {
      if (tournament === 'at-once')
        return { comparisons: 0, requests: responses < 2 ? 0 : requestedTurns(responses, voting).length };
      const comparisons = maxComparisons(tournament, responses);
      return { comparisons, requests: comparisons * (orders.length + (direct === undefined ? 0 : 2)) };
    },
  };
}

function judgmentsOf(turns: TaskVerdict['turns']): readonly TaskJudgment[] {
  return turns.flatMap(({ judgments }) => judgments);
}

/**
 * Runs work that sends several requests. If one fails, the others are aborted, because their answers are no longer
 * needed.
 */
async function withAbortOnFailure<T>(
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const failed = new AbortController();
  try {
    return await run(signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]));
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}

function instructionText(instruction: Instruction): string {
  return typeof instruction === 'string' ? instruction : conversationText(instruction);
}

/** @throws AuthenticationFailed for an address or a key that can't be used */
function usableEndpoint({ baseUrl, model, apiKey, apiKeyHeader }: JudgeOptions): Endpoint {
  const shown = redactUrl(baseUrl);
  const { protocol, username } = URL.parse(baseUrl) ?? { protocol: '', username: '' };
  if (!/^https?:$/.test(protocol))
    throw new AuthenticationFailed(`${shown} is not an http or https URL.`, { endpoint: shown });
  if (username !== '')
    throw new AuthenticationFailed(`The URL ${shown} must not contain a user name: pass the key as apiKey.`, {
      endpoint: shown,
    });
  const endpoint = { baseUrl, model, apiKey: apiKey?.trim() || undefined, apiKeyHeader };
  apiKeyOf(endpoint, {});
  return endpoint;
}
