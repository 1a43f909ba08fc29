import type { Prices } from '../../config/prices.ts';
import { reachedLimits } from '../../api/budget.ts';
import { BudgetExhausted, type UsageLedger } from './usage-ledger.ts';
import type { ObjectStore } from '../../store/objects/object-store.ts';
import { trainerSecondsByStart } from '../../models/training/trainer-starts.ts';

/** A running start of a trainer, with its running time so far. */
export interface TrainerUsage {
  readonly token: string;
  readonly seconds: number;
}

/** Milliseconds between two updates of a trainer's recorded time, which is then compared with the budget. */
const RECORD_INTERVAL_MS = 1000;

/** Records how long a training occupies its GPUs, and reports when the run's budget is spent. */
export class TrainingBudgetGuard {
  readonly #ledger: UsageLedger;
  readonly #prices: Prices | undefined;
  readonly #training: ObjectStore;
  readonly #reached = new AbortController();
  #next = 0;

  constructor(ledger: UsageLedger, prices: Prices | undefined, training: ObjectStore) {
    this.#ledger = ledger;
    this.#prices = prices;
    this.#training = training;
  }

  /** Aborted with BudgetExhausted. */
  get signal(): AbortSignal {
    return this.#reached.signal;
  }

  /** Records the running times of ended starts, including those that ended without a follower. */
  async recordFinished(): Promise<void> {
    for (const [token, seconds] of Object.entries(await trainerSecondsByStart(this.#training)))
      await this.#ledger.recordTrainerSeconds(token, seconds);
    await this.#compare();
  }

  /**
   * Records a trainer's time at intervals; called at every poll. If the disk refuses the write, the next call tries
   * again.
   */
  record(trainer: TrainerUsage | undefined): void {
    const now = performance.now();
    if (trainer === undefined || now < this.#next) return;
    this.#next = now + RECORD_INTERVAL_MS;
    this.#ledger
      .recordTrainerSeconds(trainer.token, trainer.seconds)
      .then(() => this.#compare())
      .catch(() => undefined);
  }

  async #compare(): Promise<void> {
    await this.#ledger.refresh();
    const reached = reachedLimits(this.#ledger.limits, this.#ledger.usage(this.#prices));
    if (reached.length > 0) this.#reached.abort(new BudgetExhausted(reached));
  }
}
