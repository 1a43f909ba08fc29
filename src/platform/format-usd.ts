/** Formats an amount such as "$12.50". Amounts below one cent have two significant digits: "$0.0012". */
export function formatUsd(usd: number): string {
  return `$${formatAmount(usd)}`;
}

/** Formats a number with two decimals, or with two significant digits if two decimals would show zero. */
export function formatAmount(value: number): string {
  if (value > 0 && value < 0.01) return value.toPrecision(2);
  return value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
