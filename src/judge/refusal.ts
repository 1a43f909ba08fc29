/**
 * How models begin when they refuse. Few and exact on purpose: an answer that says it is sorry and then helps, or that
 * speaks about refusing, must not pass for a refusal.
 */
const APOLOGY = String.raw`(?:(?:i['’]m|i am|we['’]re|my)(?: (?:very|truly|so|really|deeply))? (?:sorry|apologies)|sorry|apologies|i apologi[sz]e|unfortunately)`;
const UNABLE = String.raw`(?:i|we)(?: (?:just|simply|really|also|must))?(?: (?:can(?:not|['’]t| not)|could(?: not|n['’]t)|won['’]t|will not|am (?:not able|unable) to|['’]m (?:not able|unable) to)|['’]m (?:not able|unable) to)(?: (?:in good conscience|help|assist|answer|comply|continue|fulfil+|provide|generate|create|write|engage|participate|do that|do this|support|offer|give|produce|complete|respond|discuss|share|process|access))`;
const BEGINNING = String.raw`^[\s"'*_>#]*`;
const IN_THE_ASSISTANTS_VOICE = [
  String.raw`${APOLOGY}[,.!;:]?(?: but)?(?: as an ai(?: \w+){0,3},?)? ${UNABLE}`,
  String.raw`${APOLOGY}[,.!;:]?(?: but)? (?:that|this)(?:['’]s| is) not something i can (?:help|assist|do)`,
  String.raw`as an ai(?: (?:language )?model| assistant)?(?: \w+){0,4},? ${UNABLE}`,
];
const IN_ANYBODYS_VOICE = [
  UNABLE,
  String.raw`(?:i|we) (?:must|have to|respectfully) (?:decline|refuse)`,
  String.raw`(?:i['’]m|i am) not (?:going to|comfortable) `,
];
const patterns = {
  response: new RegExp(
    `${BEGINNING}(?:${[...IN_THE_ASSISTANTS_VOICE, ...IN_ANYBODYS_VOICE].join('|')})`,
    'iu',
  ),
  instruction: new RegExp(`${BEGINNING}(?:${IN_THE_ASSISTANTS_VOICE.join('|')})`, 'iu'),
} as const;

/**
 * Whether a text begins as a refusal in English, in place of the response or the instruction that the model was asked
 * to write; a user may write "I can't access my files", so an instruction takes an apology as well. Looks at the first
 * 300 characters.
 */
export function isRefusal(text: string, inPlaceOf: 'response' | 'instruction'): boolean {
  return patterns[inPlaceOf].test(text.slice(0, 300));
}
