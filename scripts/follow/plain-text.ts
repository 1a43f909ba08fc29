/** Text from elsewhere without what a terminal would obey: control characters, and with them every escape sequence. */
export function plainText(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ');
}
