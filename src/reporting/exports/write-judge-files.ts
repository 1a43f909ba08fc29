import { makeJudgeFile, type JudgeFileData, formatJudgeFile } from './make-judge-file.ts';
import { namedModel, type ModelNameAccess } from '../named-model.ts';
import type { ResolvedConfiguration } from '../../runs/open-run.ts';
import { runUris } from '../../runs/run-layout.ts';
import type { IterationSummary } from '../../api/result.ts';
import { reportIteration } from '../report-iteration.ts';

/** Writes `judge.json` of a newly trained judge. An existing file is kept, because it has scores already. */
export async function writeInitialJudgeFile(
  deps: ModelNameAccess,
  iteration: number,
  resolved: ResolvedConfiguration,
): Promise<void> {
  const uri = runUris.judgeFile(resolved.configuration.runName, iteration);
  if (!(await deps.store.exists(uri))) await write(deps, iteration, resolved, []);
}

/** Writes `judge.json` of every evaluated judge, with its scores. */
export async function writeJudgeFiles(
  deps: ModelNameAccess,
  iterations: readonly IterationSummary[],
  resolved: ResolvedConfiguration,
): Promise<void> {
  const { configuration } = resolved;
  for (const summary of iterations) {
    const { evaluations, calibration } = await reportIteration(
      deps.store,
      configuration.runName,
      summary,
      configuration,
    );
    await write(deps, summary.iteration, resolved, evaluations, calibration?.temperature);
  }
}

async function write(
  deps: ModelNameAccess,
  iteration: number,
  { configuration, prompts }: ResolvedConfiguration,
  evaluations: JudgeFileData['evaluations'],
  temperature?: number,
): Promise<void> {
  const seedModel = namedModel(deps, configuration.models.seed.checkpoint);
  const judge = makeJudgeFile({ iteration, configuration, prompts, seedModel, evaluations, temperature });
  await deps.store.writeText(runUris.judgeFile(configuration.runName, iteration), formatJudgeFile(judge));
}
