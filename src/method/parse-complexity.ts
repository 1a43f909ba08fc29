/** The complexity that an answer names: its only number from 1 to 5. Undefined if it has none, or two different ones. */
export function parseComplexity(text: string): number | undefined {
  // `4/5` and `4 out of 5` mean 4.
  const rated = text.replace(/\s*(?:\/|out of)\s*5\b/giu, ' ');
  const numbers = new Set(
    [...rated.matchAll(/(?<![\p{L}\p{N}.,-])[1-5](?![\p{L}\p{N}]|[.,]\d)/gu)].map(([digit]) => Number(digit)),
  );
  const [only] = numbers;
  return numbers.size === 1 ? only : undefined;
}
