import type { Prices } from '../config/prices.ts';
import { limitsReached } from '../format/amounts.ts';
import { BudgetReached, type Ledger } from '../spending/ledger.ts';
import { trainerSeconds } from '../training/starts.ts';

/** A start of a trainer that is at work, and for how long by now. */
export interface WorkingTrainer {
  readonly token: string;
  readonly seconds: number;
}

/** How often the time of a trainer is written down, and compared with the budget, in milliseconds. */
const EVERY = 1000;

/** Writes down how long a training holds its GPUs, and says when the run's budget is spent. */
export class TrainingBudget {
  readonly #ledger: Ledger;
  readonly #prices: Prices | undefined;
  readonly #outputFolder: string;
  readonly #reached = new AbortController();
  #next = 0;

  constructor(ledger: Ledger, prices: Prices | undefined, outputFolder: string) {
    this.#ledger = ledger;
    this.#prices = prices;
    this.#outputFolder = outputFolder;
  }

  /** Aborts with BudgetReached. */
  get signal(): AbortSignal {
    return this.#reached.signal;
  }

  /** Takes down what starts have said of their end, while nobody followed them too. */
  async catchUp(): Promise<void> {
    for (const [token, seconds] of Object.entries(await trainerSeconds(this.#outputFolder)))
      await this.#ledger.trained(token, seconds);
    await this.#compare();
  }

  /** Takes down a trainer's time now and then; called at every look. A disk that refuses it now may take the next one. */
  tick(trainer: WorkingTrainer | undefined): void {
    const now = performance.now();
    if (trainer === undefined || now < this.#next) return;
    this.#next = now + EVERY;
    this.#ledger
      .trained(trainer.token, trainer.seconds)
      .then(() => this.#compare())
      .catch(() => undefined);
  }

  async #compare(): Promise<void> {
    await this.#ledger.look();
    const reached = limitsReached(this.#ledger.limits, this.#ledger.spent(this.#prices));
    if (reached.length > 0) this.#reached.abort(new BudgetReached(reached));
  }
}
