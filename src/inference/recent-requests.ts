/** How many requests were sent within the last second, and how many of them were refused. */

const SLOTS = 20;
const SLOT_SECONDS = 1 / SLOTS;

export class RecentRequests {
  /** Which slot of time each count is of. */
  readonly #slots = new Float64Array(SLOTS).fill(-1);
  readonly #sent = new Int32Array(SLOTS);
  readonly #refused = new Int32Array(SLOTS);

  sent(now: number): void {
    const slot = slotOf(now);
    const place = slot % SLOTS;
    if (this.#slots[place] !== slot) {
      this.#slots[place] = slot;
      this.#sent[place] = 0;
      this.#refused[place] = 0;
    }
    this.#sent[place]! += 1;
  }

  /** One that was sent then was refused. */
  refused(sentAt: number): void {
    const place = slotOf(sentAt) % SLOTS;
    if (this.#slots[place] === slotOf(sentAt)) this.#refused[place]! += 1;
  }

  /** Those that were sent since `from`, and within the last second. */
  since(from: number, now: number): { sent: number; refused: number } {
    const first = Math.max(slotOf(from), slotOf(now) - SLOTS + 1);
    const counts = { sent: 0, refused: 0 };
    for (let place = 0; place < SLOTS; place++) {
      if (this.#slots[place]! < first) continue;
      counts.sent += this.#sent[place]!;
      counts.refused += this.#refused[place]!;
    }
    return counts;
  }
}

function slotOf(time: number): number {
  return Math.floor(time / SLOT_SECONDS);
}
