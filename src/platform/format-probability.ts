/** Formats a p-value behind the letter p: "= 0.012", or "< 0.001". */
export function formatProbability(p: number): string {
  return p < 0.001 ? '< 0.001' : `= ${p.toFixed(3)}`;
}
