/** Samples that are asked for in one request: `count` of them from index `start` on. */
export interface SampleRun {
  readonly start: number;
  readonly count: number;
}

/** The samples 0 to `samples` - 1 that are not there yet, in runs without a gap: one request each. */
export function missingRuns(samples: number, there: ReadonlySet<number>): SampleRun[] {
  const runs: { start: number; count: number }[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    if (there.has(sample)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.start + last.count === sample) last.count += 1;
    else runs.push({ start: sample, count: 1 });
  }
  return runs;
}
