/** How an answer ended, in one vocabulary for the words of all servers. */

/**
 * `stop`: the text is whole; `length`: it was cut at a limit of tokens, by the request or by the server's own context;
 * `content_filter`: a filter of the server removed or stopped it.
 */
export type FinishReason = 'stop' | 'length' | 'content_filter';

/** The words that say that a text was cut: `max_tokens`, `MAX_TOKENS`, `model_length`, `maxPredictedTokensReached`, ... */
const CUT =
  /length|max.*tokens|token.*limit|error_limit|^limit$|time_limit|context_(window|size|limit)|incomplete|truncat|not_finished/;
/** `content_filter`, `SAFETY`, `guardrail_intervened`, `refusal`, `sensitive`, `ERROR_TOXIC`, ... */
const FILTERED =
  /filter|safety|sensitive|moderat|guardrail|refus|prohibited|blocklist|blocked|recitation|spii|toxic|flagged|policy/;
/** The server broke off: `error`, vLLM's `abort`, DeepSeek's `insufficient_system_resource`, ... */
const FAILED =
  /error|abort|cancel|fail|insufficient|interrupt|overload|unavailable|disconnect|unloaded|timeout|timed_out/;

/**
 * Reads the reason that a server gave. Returns `failed` if the server broke off, so that the request must be sent again.
 * Only words that say so count: no word, an unknown one and a value of another type mean a whole text.
 * @param reason a word, or an object that has it as `type`
 */
export function readFinishReason(reason: unknown): FinishReason | 'failed' {
  if (typeof reason === 'object' && reason !== null && 'type' in reason) return readFinishReason(reason.type);
  if (typeof reason !== 'string') return 'stop';
  const word = reason
    .trim()
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[\s.-]+/g, '_');
  if (CUT.test(word)) return 'length';
  if (FILTERED.test(word)) return 'content_filter';
  return FAILED.test(word) ? 'failed' : 'stop';
}
