import { existsSync } from 'node:fs';
import { writeFileAtomically } from '../artifacts/store.ts';
import { judgeFile, type JudgeFileData, judgeFileText } from '../outputs/judge-file.ts';
import type { Dependencies } from './dependencies.ts';
import { namedModel } from './named-model.ts';
import { runUris, type ResolvedConfiguration } from './open-run.ts';
import type { IterationSummary } from './types.ts';
import { iterationOf } from './write-report.ts';

/** Writes `judge.json` of a judge that has just been trained; one that has figures already stays. */
export async function writeFirstJudgeFile(
  deps: Pick<Dependencies, 'store' | 'files'>,
  iteration: number,
  resolved: ResolvedConfiguration,
): Promise<void> {
  const path = deps.store.path(runUris.judgeFile(resolved.configuration.runName, iteration));
  if (!existsSync(path)) await write(deps, iteration, resolved, []);
}

/** Writes `judge.json` of every judge that was evaluated, with its figures. */
export async function writeJudgeFiles(
  deps: Pick<Dependencies, 'store' | 'files'>,
  iterations: readonly IterationSummary[],
  resolved: ResolvedConfiguration,
): Promise<void> {
  const { configuration } = resolved;
  for (const summary of iterations) {
    const { evaluations } = await iterationOf(deps.store, configuration.runName, summary, configuration);
    await write(deps, summary.iteration, resolved, evaluations);
  }
}

async function write(
  deps: Pick<Dependencies, 'store' | 'files'>,
  iteration: number,
  { configuration, prompts }: ResolvedConfiguration,
  evaluations: JudgeFileData['evaluations'],
): Promise<void> {
  const seedModel = namedModel(deps, configuration.models.seed.checkpoint);
  const judge = judgeFile({ iteration, configuration, prompts, seedModel, evaluations });
  await writeFileAtomically(
    deps.store.path(runUris.judgeFile(configuration.runName, iteration)),
    judgeFileText(judge),
  );
}
