/**
 * Compares a served adapter with the one that was trained, by the greedy answers that the trainer has recorded
 * (trainer/canary.py). Two programs round differently, and then one token may be another one and all later ones with it; so the
 * server is asked for the log-probability of each token of the trainer's answers, after the tokens before it. Prompts are token ids, so
 * that nothing but the weights decides.
 */
import { z } from 'zod';
import { redactUrl } from '../../inference/endpoint.ts';
import { AdapterRefused, Unanswered } from './errors.ts';
import { sendJson, type ServerAccess } from './send-json.ts';

const tokenIds = z.array(z.int().nonnegative()).min(1);
const logProbabilities = z.array(z.number()).min(1);

/** The greedy answers of a trained adapter to a few prompts of its training. All log-probabilities are natural logarithms. */
export const canarySchema = z.object({
  /** How far adapter and base are apart: the mean difference of their log-probabilities of the compared tokens. */
  distance: z.number().nonnegative(),
  answers: z
    .array(
      z.object({
        prompt: tokenIds,
        /** The adapter's greedy answer. */
        tokens: tokenIds,
        /** The same, for people. */
        text: z.string(),
        /** Of the tokens, with the adapter. */
        logProbabilities,
        /** Of the tokens, without the adapter. */
        baseLogProbabilities: logProbabilities,
        /** The positions of the tokens that are compared: those on which adapter and base differ most. */
        compared: tokenIds,
      }),
    )
    .min(1),
});
export type Canary = z.output<typeof canarySchema>;

/** The default of the largest difference between server and trainer, in nats for each token. */
export const CANARY_TOLERANCE = 0.15;
/** The share of the tolerance below which differences are rounding, so that they tell nothing. */
const ROUNDING_SHARE = 0.5;
/** A larger difference of one token counts as this, so that one that is improbable for both doesn't decide alone. */
const MAX_DIFFERENCE = 5;
const TOP_TOKENS = 5;
const TIMEOUT_SECONDS = 300;

/** Whether a canary tells the adapter from its base; otherwise a server that leaves it out would not be found. */
export function tellsFromBase({ distance }: Canary, tolerance = CANARY_TOLERANCE): boolean {
  return distance / 2 > ROUNDING_SHARE * tolerance;
}

/**
 * The mean difference up to which a server counts as right: half of the way from the adapter to its base, at most the tolerance,
 * and at least what rounding explains.
 */
function allowedDifference({ distance }: Canary, tolerance: number): number {
  return Math.max(ROUNDING_SHARE * tolerance, Math.min(tolerance, distance / 2));
}

const completion = z.object({
  choices: z
    .array(
      z.object({
        logprobs: z.object({ top_logprobs: z.array(z.record(z.string(), z.number())) }),
      }),
    )
    .min(1),
});

/**
 * Asks the server for the log-probabilities of the recorded answers, and compares them.
 * @throws AdapterRefused (`wrong-weights`) if they are those of other weights, or if it refuses the requests; Unanswered
 */
export async function checkCanary(canary: Canary, access: ServerAccess, tolerance: number): Promise<void> {
  const tokens = canary.answers.flatMap((answer) =>
    answer.compared.map((index) => ({
      prompt: [...answer.prompt, ...answer.tokens.slice(0, index)],
      token: answer.tokens[index],
      recorded: answer.logProbabilities[index],
      ofBase: answer.baseLogProbabilities[index],
    })),
  );
  const served = await Promise.all(tokens.map(({ prompt, token }) => servedToken(prompt, token, access)));
  const mean = (recorded: readonly (number | undefined)[]) =>
    served.reduce((sum, { logProbability }, index) => sum + difference(logProbability, recorded[index]), 0) /
    served.length;
  const fromAdapter = mean(tokens.map(({ recorded }) => recorded));
  const fromBase = mean(tokens.map(({ ofBase }) => ofBase));
  const allowed = allowedDifference(canary, tolerance);
  if (fromAdapter <= allowed) return;
  const { baseUrl, model } = access.endpoint;
  const others = served.filter(({ isFirst }) => !isFirst).length;
  const guess =
    fromBase < fromAdapter / 2
      ? `only ${fromBase.toFixed(3)} from those of its base, so it seems to answer without the adapter`
      : `${fromBase.toFixed(3)} from those of its base`;
  throw new AdapterRefused(
    `${redactUrl(baseUrl)} serves other weights under the name ${model} than those that were trained: its log-probabilities of the judge's own greedy ` +
      `answers, such as ${JSON.stringify(canary.answers[0]?.text)}, are ${fromAdapter.toFixed(3)} for each token from those of the trainer (at most ${allowed.toFixed(3)} counts as ` +
      `rounding), and ${guess}; ${others} of the ${served.length} tokens are not its first choice. No request of the run was sent to it. It ignores the adapter, or mixes it up with another one: ` +
      'use a version of vLLM that supports adapters of this model, or serve whole checkpoints (kind "command"). For a quantized server, whose ' +
      'differences are larger, raise canaryTolerance.',
    'wrong-weights',
  );
}

/** The server's log-probability of a token after a prompt, and whether it would take this token itself. */
async function servedToken(
  prompt: readonly number[],
  token: number | undefined,
  access: ServerAccess,
): Promise<{ readonly logProbability: number; readonly isFirst: boolean }> {
  const body = {
    model: access.endpoint.model,
    prompt,
    max_tokens: 1,
    temperature: 0,
    logprobs: TOP_TOKENS,
    // vLLM's own: tokens are named by their ids, and an end token is an answer as any other.
    return_tokens_as_token_ids: true,
    ignore_eos: true,
  };
  const answer = await sendJson('completions', body, access, TIMEOUT_SECONDS);
  const refused = () => answer.refused('a request of the canary (/completions with token ids and logprobs)');
  // It may have been started again, and not know the adapter yet.
  if (answer.status === 404 || answer.status >= 500) throw new Unanswered(refused().message);
  const [top] = completion.safeParse(answer.json).data?.choices[0]?.logprobs.top_logprobs ?? [];
  const all = Object.values(top ?? {});
  if (answer.status !== 200 || top === undefined || all.length === 0) throw refused();
  const found = top[`token_id:${token}`];
  // One that isn't among the most probable ones is at most as probable as the last of them.
  return { logProbability: found ?? Math.min(...all), isFirst: found === Math.max(...all) };
}

function difference(served: number, recorded = served): number {
  return Math.min(MAX_DIFFERENCE, Math.abs(served - recorded));
}
