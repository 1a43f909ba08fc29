/** Usage of a run, and limits of its budget. */
import { formatAmount, formatUsd } from '../platform/format-usd.ts';

export const BUDGET_UNITS = ['tokens', 'requests', 'usd', 'gpuHours'] as const;
export type BudgetUnit = (typeof BUDGET_UNITS)[number];

/** The amount of each unit. */
export type Usage = Readonly<Record<BudgetUnit, number>>;
/** The largest allowed amount of each limited unit. */
export type BudgetLimits = { readonly [Name in BudgetUnit]?: number };

/** The usage of a whole run, and its limits. */
export interface BudgetStatus {
  readonly limits: BudgetLimits;
  readonly usage: Usage;
}

/** Changes of limits: a number sets a limit, null removes it, an absent one stays. */
export type BudgetChange = { readonly [Name in keyof Usage]?: number | null };

export type SetBudgetResult =
  | ({ readonly kind: 'set' } & BudgetStatus)
  | ({ readonly kind: 'rejected'; readonly reason: string } & BudgetStatus);

/** The limits that are reached, in the order of BUDGET_UNITS. */
export function reachedLimits(limits: BudgetLimits, spent: Usage): BudgetUnit[] {
  return BUDGET_UNITS.filter((name) => spent[name] >= (limits[name] ?? Infinity));
}

/** Returns whether amounts of a unit are whole numbers. */
export function isWholeNumberUnit(name: BudgetUnit): boolean {
  return name === 'tokens' || name === 'requests';
}

/** A larger limit to continue with: twice the old limit, and more than the usage. */
export function suggestedLimit(name: BudgetUnit, limit: number, spent: number): number {
  const twice = Math.max(2 * limit, 1.5 * spent);
  return twice < 10 && !isWholeNumberUnit(name) ? Number(twice.toPrecision(3)) : Math.ceil(twice);
}

/** The option of the command `set-budget` for a unit. */
export function budgetOption(name: BudgetUnit): string {
  return name === 'gpuHours' ? '--gpu-hours' : `--${name}`;
}

/** "1,200,000 tokens", "$12.50", "0.25 GPU hours". */
export function formatUsage(name: BudgetUnit, value: number): string {
  switch (name) {
    case 'tokens':
    case 'requests':
      return `${value.toLocaleString('en-US')} ${name}`;
    case 'usd':
      return formatUsd(value);
    case 'gpuHours':
      return `${formatAmount(value)} GPU hours`;
  }
}
