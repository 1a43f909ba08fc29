/** What a run spends, and may spend. */

export const AMOUNTS = ['tokens', 'requests', 'usd', 'gpuHours'] as const;
export type Amount = (typeof AMOUNTS)[number];

/** Of each how much. */
export type Amounts = Readonly<Record<Amount, number>>;
/** Of some how much at most. */
export type Limits = { readonly [Name in Amount]?: number };

/** The limits that are reached, in the order of AMOUNTS. */
export function limitsReached(limits: Limits, spent: Amounts): Amount[] {
  return AMOUNTS.filter((name) => spent[name] >= (limits[name] ?? Infinity));
}

/** Whether it comes in whole numbers. */
export function isCounted(name: Amount): boolean {
  return name === 'tokens' || name === 'requests';
}

/** A limit to go on with: twice as much as was meant, and more than is spent. */
export function enoughFor(name: Amount, limit: number, spent: number): number {
  const twice = Math.max(2 * limit, 1.5 * spent);
  return twice < 10 && !isCounted(name) ? Number(twice.toPrecision(3)) : Math.ceil(twice);
}

/** The option of the command `set-budget` that sets the limit of an amount. */
export function budgetOption(name: Amount): string {
  return name === 'gpuHours' ? '--gpu-hours' : `--${name}`;
}

/** "1,200,000 tokens", "$12.50", "0.25 GPU hours". */
export function amountText(name: Amount, value: number): string {
  switch (name) {
    case 'tokens':
    case 'requests':
      return `${value.toLocaleString('en-US')} ${name}`;
    case 'usd':
      return `$${digits(value)}`;
    case 'gpuHours':
      return `${digits(value)} GPU hours`;
  }
}

/** Two places, more for what would be nothing with two. */
function digits(value: number): string {
  if (value > 0 && value < 0.01) return value.toPrecision(2);
  return value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
