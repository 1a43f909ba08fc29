/** Counts the requests of the last second, and those of them that were refused. */

const SLOTS = 20;
const SLOT_SECONDS = 1 / SLOTS;

export class RecentRequests {
  /** The slot of time that each count belongs to. */
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

  /** A request that was sent at this time was refused. */
  refused(sentAt: number): void {
    const place = slotOf(sentAt) % SLOTS;
    if (this.#slots[place] === slotOf(sentAt)) this.#refused[place]! += 1;
  }

  /** Counts the requests since `from` that were sent within the last second. */
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
