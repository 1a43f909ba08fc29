/**
 * The words of an error message that can't be part of a prompt, a response or a judgment. A server may quote any text in its errors:
 * the request, another user's request, an answer; whole, encoded, translated or paraphrased. So a comparison with what was
 * sent proves nothing; but a text that consists of the vocabulary of error messages and of short numbers says nothing of a prompt,
 * unless the prompt has the same words in the same order, which are left out too.
 */

/** Stands for words that are left out. */
export const LEFT_OUT = '[...]';

const VOCABULARY = new Set(
  `sure directory folder training trainer train iteration lines aren couldn didn doesn don hasn haven isn shouldn wasn weren won wouldn page application charset plain kind nothing reasons a about above access account accepted acceptable active after again all allocate allocated allowed already also amount an and another answer answers any api are argument arguments array as at
  attempt attempts attention authentication authorization authorized available backend bad balance base batch be bearer because been before began being below between billing block blocks body boolean bound broke
  buffer busy but by bytes cache call called calls can cannot capacity certificate change channel characters chat check checkpoint checksum choice choices chunk classes client closed code command
  completion completions complete completed config configuration configured connect connected connection consider contact contain contains content context continue core correct corrupt could count cpu crashed create created credit credits cuda
  current currently data deadline decoder decreasing default denied deployment deprecated detected device devices did died dimension disabled disk does dtype due duplicate during each either email empty enabled encoder end ended
  endpoint engine enough ensure enter entity entry environment error errors exceed exceeded exceeds except exception exhausted exist exists exit expect expected expired extra failed failure fatal feature few field fields file
  filter filtered finish finished first float floating flash for forbidden format found free from function gateway generate generated generation get gib given got gpu gpus gb greater grammar guided had handle has have header headers
  health higher host hour hours however html http id if illegal image images implemented in inactive incorrect increase increasing index inference info input inputs instance instances insufficient int integer internal interrupted into invalid io is
  issue it item its job json kb keep kernel key keys kib killed kv large larger last later layer layers least len length less level library limit limits list loaded load loading location logits logprobs long longer low lower lora made main make malformed many match max maximum
  may me memory message messages method mib min minimum minute minutes missing mode model models moderation module more most multiple must name names need needed network no node none nor not null number object occurred of offset ok on one only open operation operator option options or order
  organization other out output outside over overflow overloaded parallel parameter parameters params parse parsed parser part pass passed password path payload payment peer penalty per perform permission permitted pipe plan please policy pool port position positive
  prefill presence preempted previous problem process processes processing project prompt prompts properties property protocol provide provided provider proxy python quantization queue quota quoted range rank rate rather reached read reading reason receive received redirect reduce refers refuse refused region reject rejected
  remote remove repetition repository request requested requests require required requires reset resource resources response responses restart result retry return returned returns role root rope route running runtime safety same samples sampling schema scheduler see seed
  segmentation segment select send sent sequence sequences server servers service set setting settings shape should sigkill sigterm signal single size sizes slow small smaller socket some specified speculative spend stack start started starting starts state status stop stopped stopping
  stream streamed streaming string structure such supplied support supported supports system table task temperature temporarily temporary tensor tensors terminated text than that the their then there these they this thread threads throttled throttling timed time timeout times tls to token tokenizer tokens too took
  tool tools top torch total tpm rpm tpd rpd traceback transformer transformers tried trust try trying two type types unable unauthorized unavailable unexpected unit unknown unprocessable unreachable unrecognized unset unsupported until up update upgrade upstream url usage use used user users using utf utilization valid validation
  value values variable version vllm vocab vocabulary waiting want was way we wait weights went were when where which while will with within without workers worker world would write wrong yes yet you your zero
  assertion attribute import lookup keyerror os oserror runtimeerror typeerror valueerror indexerror memoryerror nan inf nccl oom sglang triton xformers safetensors gguf llama fp16 bf16 fp8 int8 eos pad bos ms mb tb ip dns ssl eof errno`
    .split(/\s+/)
    .filter((word) => word !== ''),
);

/** A run of characters that makes a word or a number. */
const WORD = /[\p{L}\p{M}\p{N}_]+(?:'(?:s|t|re|ll|ve)\b)?/gu;
/** Matches what may not stand between the words that are kept. */
const BETWEEN = /[^\s.,:;()'"`/=+<>%-]+/gu;
/** How many words in a row must not be those of what was sent. */
const SHARED_WORDS = 3;
/** So many numbers in a row may be a shape or a time; more may be a number that identifies somebody. */
const MAX_NUMBERS = 3;

/**
 * The text without the words that could be part of a prompt, a response or a judgment.
 * @param known texts whose words are no secret, such as the name of the model
 * @param sent the texts of the request
 */
export function publicWords(
  text: string,
  known: readonly string[] = [],
  sent: readonly string[] = [],
): string {
  const words = [...text.matchAll(WORD)].map((match) => ({ word: match[0], at: match.index }));
  const allowed = new Set(known.flatMap(wordsOf));
  const grams = new Set(sent.flatMap((each) => gramsOf(wordsOf(each))));
  const kept = words.map(({ word }) => isPublic(word) || allowed.has(word.toLowerCase()));
  const lower = words.map(({ word }) => word.toLowerCase());
  for (let from = 0; grams.size > 0 && from + SHARED_WORDS <= lower.length; from++)
    if (grams.has(lower.slice(from, from + SHARED_WORDS).join(' ')))
      kept.fill(false, from, from + SHARED_WORDS);
  leaveOutRuns(kept, lower);
  const parts: string[] = [];
  let end = 0;
  for (const [index, { word, at }] of words.entries()) {
    if (kept[index] === true) parts.push(text.slice(end, at).replaceAll(BETWEEN, ''), word);
    else if (parts.at(-1) !== LEFT_OUT) parts.push(parts.length === 0 ? '' : ' ', LEFT_OUT);
    end = at + word.length;
  }
  if (parts.at(-1) !== LEFT_OUT) parts.push(text.slice(end).replaceAll(BETWEEN, ''));
  return parts.join('').trim();
}

/** Leaves out what is in the middle of a quoted text, because a text has some words of the vocabulary too, and numbers in a row. */
function leaveOutRuns(kept: boolean[], words: readonly string[]): void {
  for (let from = 0, to = 0; from < kept.length; from = to + 1) {
    for (to = from; to < kept.length && /^\d+$/.test(words[to] ?? '');) to++;
    if (to - from > MAX_NUMBERS) kept.fill(false, from, to);
  }
  for (let from = 0, to = 0; from < kept.length; from = to + 1) {
    for (to = from; kept[to] === true;) to++;
    if (from > 0 && to < kept.length && to - from <= SHARED_WORDS) kept.fill(false, from, to);
  }
}

function wordsOf(text: string): string[] {
  return [...text.toLowerCase().matchAll(WORD)].map(([word]) => word);
}

function gramsOf(words: readonly string[]): string[] {
  return words.slice(0, 1 - SHARED_WORDS).map((_, from) => words.slice(from, from + SHARED_WORDS).join(' '));
}

/** A word of the vocabulary, a name made of such words, or a number that is too short to identify anything. */
function isPublic(found: string): boolean {
  const [word = ''] = found.split("'");
  // The class of an exception.
  if (/^[A-Z]\w{2,40}(Error|Exception)$/.test(word)) return true;
  // The verdict of a judgment.
  if (/^[A-Z]$/.test(word)) return false;
  if (/^\d{1,7}([kmgb]|[kmgt]i?b|m?s|x)?$/i.test(word)) return true;
  if (VOCABULARY.has(word.toLowerCase())) return true;
  const parts = word
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .split('_')
    .filter((part) => part !== '');
  return (
    parts.length > 0 && parts.every((part) => VOCABULARY.has(part.toLowerCase()) || /^\d{1,7}$/.test(part))
  );
}
