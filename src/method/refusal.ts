/**
 * The beginnings of refusals. The list is short and exact on purpose: an answer that apologizes and then helps, or that
 * is about refusals, must not count as one.
 */
const APOLOGY = String.raw`(?:(?:i['’]m|i am|we['’]re|my)(?: (?:very|truly|so|really|deeply))? (?:sorry|apologies)|sorry|apologies|i apologi[sz]e|unfortunately)`;
const UNABLE = String.raw`(?:i|we)(?: (?:just|simply|really|also|must))?(?: (?:can(?:not|['’]t| not)|could(?: not|n['’]t)|won['’]t|will not|am (?:not able|unable) to|['’]m (?:not able|unable) to)|['’]m (?:not able|unable) to)(?: (?:in good conscience|help|assist|answer|comply|continue|fulfil+|provide|generate|create|write|engage|participate|do that|do this|support|offer|give|produce|complete|respond|discuss|share|process|access))`;
const BEGINNING = String.raw`^[\s"'*_>#]*`;
const BY_AN_ASSISTANT = [
  String.raw`${APOLOGY}[,.!;:]?(?: but)?(?: as an ai(?: \w+){0,3},?)? ${UNABLE}`,
  String.raw`${APOLOGY}[,.!;:]?(?: but)? (?:that|this)(?:['’]s| is) not something i can (?:help|assist|do)`,
  String.raw`as an ai(?: (?:language )?model| assistant)?(?: \w+){0,4},? ${UNABLE}`,
];
const BY_ANYBODY = [
  UNABLE,
  String.raw`(?:i|we) (?:must|have to|respectfully) (?:decline|refuse)`,
  String.raw`(?:i['’]m|i am) not (?:going to|comfortable) `,
];
const patterns = {
  response: new RegExp(`${BEGINNING}(?:${[...BY_AN_ASSISTANT, ...BY_ANYBODY].join('|')})`, 'iu'),
  instruction: new RegExp(`${BEGINNING}(?:${BY_AN_ASSISTANT.join('|')})`, 'iu'),
} as const;

/**
 * Returns whether a text begins like a refusal in English instead of the response or the instruction that the model should write.
 * An instruction counts as a refusal only with an apology, because a user may well write "I can't access my files".
 * Checks the first 300 characters.
 */
export function isRefusal(text: string, inPlaceOf: 'response' | 'instruction'): boolean {
  return patterns[inPlaceOf].test(text.slice(0, 300));
}
