import { MODEL_ROLES, type ModelRole } from '../../config/model-roles.ts';
import { emptyUsageTotals, type RoleUsage, type UsageTotals } from './usage-totals.ts';

/** How long the reserve lasts at the present rate, in seconds. It is renewed when half of it is used. */
const RESERVE_SECONDS = 2;
/** The smallest reserve of requests for a model that is in use. */
const MIN_REQUESTS = 8;
/** Milliseconds between two renewals, unless the reserve is used up. */
const MIN_RENEWAL_MS = 500;

const UNITS = [
  'requests',
  'promptTokens',
  'completionTokens',
] as const satisfies readonly (keyof RoleUsage)[];

/**
 * Decides what a process records in its account beyond its usage, so that it can send requests and take answers without a write for each:
 * a remote store takes tens of milliseconds for one. The account never says less than the usage. After a crash it says more, by at
 * most the reserve.
 */
export class UsageReserve {
  /** The account as it was last written. */
  #recorded: UsageTotals = emptyUsageTotals();
  #usage: UsageTotals = emptyUsageTotals();
  /** The usage in a second. */
  readonly #perSecond = emptyUsageTotals();
  #renewedAt = -Infinity;

  /** Whether the account says at least as much as a usage. */
  covers(usage: UsageTotals): boolean {
    const { models, trainers } = this.#recorded;
    return (
      everyUnit((role, unit) => usage.models[role][unit] <= models[role][unit]) &&
      Object.entries(usage.trainers).every(([token, seconds]) => seconds <= (trainers[token] ?? 0))
    );
  }

  /** Whether one more request would be covered. */
  hasRequest(usage: UsageTotals, role: ModelRole): boolean {
    return usage.models[role].requests < this.#recorded.models[role].requests;
  }

  /** Whether the account says exactly a usage. */
  equals(usage: UsageTotals): boolean {
    const { models } = this.#recorded;
    return this.covers(usage) && everyUnit((role, unit) => usage.models[role][unit] === models[role][unit]);
  }

  /** Whether the reserve should be renewed before it is used up. */
  isDue(usage: UsageTotals): boolean {
    if (performance.now() < this.#renewedAt + MIN_RENEWAL_MS) return false;
    return !everyUnit((role, unit) => {
      const reserved = this.#recorded.models[role][unit] - this.#usage.models[role][unit];
      const used = usage.models[role][unit] - this.#usage.models[role][unit];
      return used <= reserved / 2;
    });
  }

  /** The next reserve, by the usage since the last one. Requests and their tokens come by turns, so rates only fade. */
  next(usage: UsageTotals): UsageTotals {
    const seconds = (performance.now() - this.#renewedAt) / 1000;
    const reserve = emptyUsageTotals();
    for (const role of MODEL_ROLES)
      for (const unit of UNITS) {
        const used = usage.models[role][unit] - this.#usage.models[role][unit];
        const rate = Math.max(
          used / Math.max(1, seconds),
          this.#perSecond.models[role][unit] * 0.5 ** seconds,
        );
        this.#perSecond.models[role][unit] = rate;
        const ahead = Math.ceil(RESERVE_SECONDS * rate);
        reserve.models[role][unit] = used > 0 && unit === 'requests' ? Math.max(MIN_REQUESTS, ahead) : ahead;
      }
    return reserve;
  }

  /** Notes what the account says now. */
  renewed(recorded: UsageTotals, usage: UsageTotals): void {
    this.#recorded = recorded;
    this.#usage = usage;
    this.#renewedAt = performance.now();
  }
}

/** A part of a reserve, in whole requests and tokens. */
export function shareOf({ models }: UsageTotals, share: number): UsageTotals {
  const part = emptyUsageTotals();
  for (const role of MODEL_ROLES)
    for (const unit of UNITS) part.models[role][unit] = Math.floor(models[role][unit] * share);
  return part;
}

function everyUnit(holds: (role: ModelRole, unit: (typeof UNITS)[number]) => boolean): boolean {
  return MODEL_ROLES.every((role) => UNITS.every((unit) => holds(role, unit)));
}
