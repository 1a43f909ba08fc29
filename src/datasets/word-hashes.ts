/** In scripts without spaces between words, each character counts as a word. */
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}])[\p{L}\p{M}\p{N}])+/gu;
/** A faster pattern for texts without such scripts, which are most texts of a pool. */
const SIMPLE_WORD = /[\p{L}\p{M}\p{N}]+/gu;
const SPACELESS = /[\u0E00-\u109F\u1780-\u17FF\u2E80-\u9FFF\uF900-\uFAFF\u{20000}-\u{3FFFF}]/u;

/** The words of a text in lower case and without punctuation, for comparisons of texts. */
export function normalizedWords(text: string): string[] {
  const plain = text.normalize('NFKC').toLowerCase();
  return plain.match(SPACELESS.test(plain) ? WORD : SIMPLE_WORD) ?? [];
}

/** The number of words of a text: how long it is for a reader. */
export function wordCount(text: string): number {
  return normalizedWords(text).length;
}

/** A 32-bit hash of each word (FNV-1a over UTF-16 units, then mixed as in MurmurHash3). */
export function wordHashes(words: readonly string[]): Uint32Array {
  const hashes = new Uint32Array(words.length);
  for (const [index, word] of words.entries()) {
    let hash = 0x811c9dc5;
    for (let at = 0; at < word.length; at += 1) hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193);
    hashes[index] = mixBits(hash);
  }
  return hashes;
}

/** Mixes the bits of a number so that each input bit affects all 32 output bits (the last step of MurmurHash3). */
export function mixBits(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
