/** Formats a share of 0 to 1 as a percentage with one decimal: "71.2%". A missing one is "–". */
export function formatPercent(share: number | null | undefined): string {
  return share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)}%`;
}
