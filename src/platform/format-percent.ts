/** Formats a share of 0 to 1 as a percentage, with one decimal by default: "71.2%". A missing one is "–". */
export function formatPercent(share: number | null | undefined, decimals = 1): string {
  return share === null || share === undefined ? '–' : `${(share * 100).toFixed(decimals)}%`;
}

/** Formats a difference of shares in percentage points, with its sign: "+5.2". */
export function formatSignedPoints(difference: number): string {
  return `${difference > 0 ? '+' : ''}${(100 * difference).toFixed(1)}`;
}

/** Formats a difference of shares with its interval: "+5.2 (+1.0 to +9.4)". */
export function formatDifference({
  difference,
  interval: { low, high },
}: {
  readonly difference: number;
  readonly interval: { readonly low: number; readonly high: number };
}): string {
  return `${formatSignedPoints(difference)} (${formatSignedPoints(low)} to ${formatSignedPoints(high)})`;
}
