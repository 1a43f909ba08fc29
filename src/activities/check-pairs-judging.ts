import { resolveInputPath } from '../platform/input-files.ts';
import type { PairsJudgingConfiguration } from '../config/pairs-judging-configuration.ts';
import { parsePairsJudging } from '../config/parse-configuration.ts';
import { resolveVoting } from '../method/voting.ts';
import { readFilePairs } from '../pair-judging/read-file-pairs.ts';
import {
  collectProblem,
  type CheckedConfiguration,
  writeStoreProbe,
  newStoreProbe,
} from './check-configuration.ts';
import { evaluationAsRunSections, withResolvedJudge } from './check-judge-evaluation.ts';
import type { Dependencies } from './dependencies.ts';
import { needsMachine } from './preflight.ts';
import { judgeFileFor } from '../pair-judging/find-judge-file.ts';

/** The number of rows of the file that are checked before any work. */
const ROWS_TO_LOOK_AT = 100;

/**
 * Checks everything of judging a file of pairs that a worker with the role `workflow` can see: the fields, the judge,
 * the file and the store.
 */
export async function checkPairsJudging(deps: Dependencies, input: unknown): Promise<CheckedConfiguration> {
  const storeProbe = newStoreProbe();
  const [inStore, { usable, problems }] = await Promise.all([
    writeStoreProbe(deps, storeProbe),
    pairsJudgingProblems(deps, input),
  ]);
  return {
    usable,
    needsMachine: needsMachine(usable.serving),
    storeProbe,
    problems: [...problems, ...inStore],
  };
}

/** Lists the problems of the fields, the judge and the file, without changing anything. */
export async function pairsJudgingProblems(
  deps: Pick<Dependencies, 'store' | 'files'>,
  input: unknown,
): Promise<Pick<CheckedConfiguration, 'usable' | 'problems'>> {
  const { usable: fields, problems } = parsePairsJudging(input);
  const { pairsFile, judgeFile, model } = fields;
  const noSuchJudge = await collectProblem('model.checkpoint', () => withResolvedJudge(deps, fields));
  const usable = noSuchJudge.length > 0 ? fields : await withResolvedJudge(deps, fields);
  const hasJudge = noSuchJudge.length === 0 && (judgeFile !== undefined || model !== undefined);
  const problemLists = await Promise.all([
    hasJudge ? collectProblem('judgeFile', () => checkJudge(deps, fields)) : [],
    pairsFile === undefined
      ? []
      : collectProblem('pairsFile', () => checkPairs(resolveInputPath(deps.files, pairsFile))),
  ]);
  return {
    usable: judgingAsRunSections(usable),
    problems: [...problems, ...noSuchJudge, ...problemLists.flat()],
  };
}

/** Converts the sections for serving and requests to the form of a run, in which the judge is the seed model. */
export function judgingAsRunSections({
  runName,
  seed,
  model,
  serving,
  inference,
  timeouts,
}: Partial<PairsJudgingConfiguration>) {
  return evaluationAsRunSections({
    ...(runName === undefined ? {} : { runName }),
    ...(seed === undefined ? {} : { seed }),
    ...(model === undefined ? {} : { model }),
    ...(serving === undefined ? {} : { serving }),
    ...(inference === undefined ? {} : { inference }),
    ...(timeouts === undefined ? {} : { timeouts }),
  });
}

async function checkJudge(
  deps: Pick<Dependencies, 'store' | 'files'>,
  fields: Partial<PairsJudgingConfiguration>,
): Promise<void> {
  try {
    resolveVoting(await judgeFileFor(deps, fields), fields);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}${fields.judgeFile === undefined ? '; or set judgeFile' : ''}`, {
      cause: error,
    });
  }
}

/**
 * Rejects a file whose first rows contain no pair: it is probably a different kind of file. Single unusable rows are
 * only counted when the whole file is read.
 */
async function checkPairs(file: string): Promise<void> {
  let first: string | undefined;
  for await (const { row, problem } of readFilePairs(file)) {
    if (problem === undefined) return;
    first ??= `row ${row}: ${problem}`;
    if (row + 1 >= ROWS_TO_LOOK_AT) break;
  }
  throw new Error(first === undefined ? `${file} has no rows` : `${file} holds no pairs, ${first}`);
}
