/**
 * `npm run verify:official -- DIR`: DIR holds a folder for each official repository that is at hand, however it is named, or
 * is one. Reads their data, recomputes the figures of the outputs that they publish, and prints the differences. The exit code
 * is 1 if there is one, or a file can't be read.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InvalidBenchmarkFile } from '../src/benchmarks/benchmark.ts';
import { UnreadableFile } from '../src/datasets/rows/unreadable-file.ts';
import { SetupError } from '../src/platform/setup-error.ts';
import { verifyEvalBiasBench, verifyRmBench } from './official/data-only.ts';
import { verifyJudgeBench } from './official/judge-bench.ts';
import { verifyLlmBar } from './official/llmbar.ts';
import { differs, type Verification, type Verifier } from './official/verification.ts';
import { runTool } from './setup/run-tool.ts';

const VERIFIERS: readonly Verifier[] = [verifyJudgeBench, verifyLlmBar, verifyRmBench, verifyEvalBiasBench];

await runTool(async () => {
  const [dir, ...others] = process.argv.slice(2);
  if (dir === undefined || others.length > 0)
    throw new SetupError(
      'npm run verify:official -- DIR takes one folder: that of the official repositories',
    );
  const [root = '', ...inside] = await foldersOf(resolve(dir));
  const results = await verifyFolder(root);
  // The folders of a clone are not clones.
  if (results.length === 0) for (const folder of inside) results.push(...(await verifyFolder(folder)));
  if (results.length === 0)
    throw new SetupError(
      `${resolve(dir)} is no clone of JudgeBench, LLMBar, RM-Bench or offsetbias, and contains none`,
    );
  for (const result of results) {
    if (result instanceof Error) console.error(`\n${result.message}\n`);
    else console.log(describe(result));
    if (result instanceof Error || result.figures.some(differs) || result.verdicts.different > 0)
      process.exitCode = 1;
  }
});

/** Runs all verifiers on a folder; a file that can't be read doesn't stop those of other repositories. */
async function verifyFolder(folder: string): Promise<(Verification | Error)[]> {
  const found: (Verification | Error)[] = [];
  for (const verify of VERIFIERS)
    try {
      const verification = await verify(folder);
      if (verification !== undefined) found.push(verification);
    } catch (error) {
      if (!isForUser(error)) throw error;
      found.push(error);
    }
  return found;
}

function isForUser(error: unknown): error is Error {
  return [SetupError, InvalidBenchmarkFile, UnreadableFile].some((kind) => error instanceof kind);
}

async function foldersOf(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw new SetupError(`${dir} can't be read: ${(error as Error).message}`, { cause: error });
  });
  const folders = [dir];
  for (const name of names.sort())
    if ((await stat(join(dir, name)).catch(() => undefined))?.isDirectory()) folders.push(join(dir, name));
  return folders;
}

function describe({ repository, folder, rows, warnings, figures, verdicts }: Verification): string {
  const different = figures.filter(differs);
  return [
    `${repository} in ${folder}: ${rows} rows`,
    ...warnings.map((warning) => `  ${warning}`),
    ...figures.map(
      (figure) =>
        `  ${differs(figure) ? 'DIFFERS' : 'equal  '}  published ${figure.published.toFixed(2)}, ours ${figure.ours.toFixed(2)}  ${figure.name}`,
    ),
    figures.length === 0
      ? '  It has no outputs to compare with.'
      : `  ${figures.length} figures, ${different.length} different; ${verdicts.compared} verdicts, ${verdicts.different} different`,
  ].join('\n');
}
