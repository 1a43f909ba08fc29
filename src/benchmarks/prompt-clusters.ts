import { NearDuplicateIndex } from '../datasets/near-duplicates.ts';
import { normalizedWords } from '../datasets/word-hashes.ts';
import { stableHash } from '../platform/stable-hash.ts';

/**
 * The items that share a prompt, which are not independent of each other: whoever errs on one is likely to err on the
 * others. Prompts count as one if they have the same words, or nearly the same (a Jaccard similarity of 0.8 of their
 * sets of three consecutive words).
 *
 * @param questionOf the text that identifies the question of an item, if it isn't its instruction
 * @returns for each item's id the id of the first item with its prompt
 */
export function promptClusters<Item extends { readonly id: string; readonly instruction: string }>(
  items: readonly Item[],
  questionOf: (item: Item) => string = ({ instruction }) => instruction,
): ReadonlyMap<string, string> {
  const similar = new NearDuplicateIndex({
    threshold: 0.8,
    ngramSize: 3,
    seed: 1,
    capacity: items.length,
  });
  const equal = new Map<string, string>();
  return new Map(
    items.map((item) => {
      const question = questionOf(item);
      const words = promptKey(question);
      let cluster = equal.get(words);
      if (cluster === undefined) {
        cluster = similar.addUnlessDuplicate(item.id, question)?.id ?? item.id;
        equal.set(words, cluster);
      }
      return [item.id, cluster];
    }),
  );
}

/** A key that prompts of the same words share. */
export function promptKey(prompt: string): string {
  return stableHash(normalizedWords(prompt).join(' ') || prompt);
}
