/**
 * The category that an answer names: the whole answer if it is a category, otherwise the only category that occurs in it
 * as separate words. Undefined if it names none or several. Case is ignored.
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
