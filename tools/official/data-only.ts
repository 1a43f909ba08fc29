import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchmarkFile } from '../../src/benchmarks/benchmark.ts';
import { evalBiasBench } from '../../src/benchmarks/eval-bias-bench.ts';
import { rmBench } from '../../src/benchmarks/rm-bench.ts';
import type { Verification, Verifier } from './verification.ts';

/** Repositories with data and no outputs: only their rows are read. */
export const verifyRmBench: Verifier = (folder) =>
  dataOnly('THU-KEG/RM-Bench', folder, 'data/chat_filtered.json', 'data', (path) => rmBench.read(path));

export const verifyEvalBiasBench: Verifier = (folder) => {
  const file = 'data/evalbiasbench/biasbench.json';
  return dataOnly('ncsoft/offsetbias', folder, file, file, (path) => evalBiasBench.read(path));
};

async function dataOnly(
  repository: string,
  folder: string,
  mark: string,
  location: string,
  read: (path: string) => Promise<BenchmarkFile>,
): Promise<Verification | undefined> {
  if (!existsSync(join(folder, mark))) return undefined;
  const { items, warnings } = await read(join(folder, location));
  const verdicts = { compared: 0, different: 0 };
  return { repository, folder, rows: items.length, warnings, figures: [], verdicts };
}
