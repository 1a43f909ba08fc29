/** Replaces control characters in untrusted text by blanks, so that a terminal obeys none of its escape sequences. */
export function withoutControlCharacters(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
