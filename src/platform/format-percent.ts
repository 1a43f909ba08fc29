/** Formats a share of 0 to 1 as a percentage, with one decimal by default: "71.2%". A missing one is "–". */
export function formatPercent(share: number | null | undefined, decimals = 1): string {
  return share === null || share === undefined ? '–' : `${(share * 100).toFixed(decimals)}%`;
}
