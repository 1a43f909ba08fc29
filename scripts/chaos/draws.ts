import { hashOf } from '../../src/judge/seeds.ts';

/** Numbers from 0 up to 1 that look random and follow from the seed, in the order in which they are drawn. */
export class Draws {
  readonly #seed: number;
  #drawn = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  next(): number {
    this.#drawn += 1;
    return Number.parseInt(hashOf(this.#seed, 'chaos', this.#drawn).slice(0, 8), 16) / 2 ** 32;
  }

  /** One of the items; `weight` says how likely each is beside the others. */
  pick<T>(items: readonly T[], weight: (item: T) => number): T | undefined {
    const total = items.reduce((sum, item) => sum + weight(item), 0);
    let rest = this.next() * total;
    for (const item of items) {
      rest -= weight(item);
      if (rest < 0) return item;
    }
    return items.at(-1);
  }
}
