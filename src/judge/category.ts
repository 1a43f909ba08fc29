/**
 * The category that an answer names: the answer itself, else the only name that stands in it as words of its own.
 * Undefined where it names none, or several. Upper and lower case are the same.
 */
export function parseCategory(text: string, names: readonly string[]): string | undefined {
  const answer = text
    .trim()
    .replace(/(?<![.\s])[.\s]+$/, '')
    .toLowerCase();
  const exact = names.find((name) => name.toLowerCase() === answer);
  if (exact !== undefined) return exact;
  const named = names.filter((name) => {
    const pattern = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`(?<![\\p{L}\\p{N}])${pattern}(?![\\p{L}\\p{N}])`, 'iu').test(text);
  });
  return named.length === 1 ? named[0] : undefined;
}
