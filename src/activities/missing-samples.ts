/** Samples that are asked for in one request: `count` of them from index `start` on. */
export interface SampleRun {
  readonly start: number;
  readonly count: number;
}

/** The samples `from` to `end` - 1 that are not there yet, in runs without a gap: one request each. */
export function missingRuns(end: number, there: ReadonlySet<number>, from = 0): SampleRun[] {
  const runs: { start: number; count: number }[] = [];
  for (let sample = from; sample < end; sample += 1) {
    if (there.has(sample)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.count === sample) last.count += 1;
    else runs.push({ start: sample, count: 1 });
  }
  return runs;
}
