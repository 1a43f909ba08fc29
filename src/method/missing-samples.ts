/** The samples of one request: `count` of them, the first with index `start`. */
export interface SampleRange {
  readonly start: number;
  readonly count: number;
}

/** Groups the samples from `from` to `end` - 1 that don't exist yet into ranges without a gap, one request each. */
export function missingSampleRanges(end: number, existing: ReadonlySet<number>, from = 0): SampleRange[] {
  const ranges: { start: number; count: number }[] = [];
  for (let sample = from; sample < end; sample += 1) {
    if (existing.has(sample)) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.start + last.count === sample) last.count += 1;
    else ranges.push({ start: sample, count: 1 });
  }
  return ranges;
}
