import { resolveInput } from '../config/input-files.ts';
import type { PairsJudging } from '../config/pairs-judging-schema.ts';
import { readPairsJudging } from '../config/read-configuration.ts';
import { votingOf } from '../judge/voting.ts';
import { readGivenPairs } from '../judging/given-pairs.ts';
import { attemptTo, type CheckedConfiguration, checkStore, newMarker } from './check-configuration.ts';
import { asPartOfRun, withTrainedJudge } from './check-judge-evaluation.ts';
import type { Dependencies } from './dependencies.ts';
import { judgeFileFor } from './find-judge-file.ts';

/** Rows of a file that are looked at before any work. */
const ROWS_TO_LOOK_AT = 100;

/** Checks what the workflow role can see of judging a file of pairs: the fields, the judge, the file, the store. */
export async function checkPairsJudging(deps: Dependencies, input: unknown): Promise<CheckedConfiguration> {
  const marker = newMarker();
  const [inStore, { usable, problems }] = await Promise.all([
    checkStore(deps, marker),
    pairsJudgingProblems(deps, input),
  ]);
  return { usable, marker, problems: [...problems, ...inStore] };
}

/** What is wrong with the fields of a judging, its judge and its file; nothing is changed. */
export async function pairsJudgingProblems(
  deps: Pick<Dependencies, 'store' | 'files'>,
  input: unknown,
): Promise<Pick<CheckedConfiguration, 'usable' | 'problems'>> {
  const { usable: fields, problems } = readPairsJudging(input);
  const { pairs, judge, model } = fields;
  const noSuchJudge = await attemptTo('model.checkpoint', () => withTrainedJudge(deps, fields));
  const usable = noSuchJudge.length > 0 ? fields : await withTrainedJudge(deps, fields);
  const hasJudge = noSuchJudge.length === 0 && (judge !== undefined || model !== undefined);
  const found = await Promise.all([
    hasJudge ? attemptTo('judge', () => checkJudge(deps, fields)) : [],
    pairs === undefined ? [] : attemptTo('pairs', () => checkPairs(resolveInput(deps.files, pairs))),
  ]);
  return { usable: sectionsOfRun(usable), problems: [...problems, ...noSuchJudge, ...found.flat()] };
}

/** What serving and asking need of a configuration, as a run has it: the judge is its seed model. */
export function sectionsOfRun({ runName, seed, model, serving, inference, timeouts }: Partial<PairsJudging>) {
  return asPartOfRun({
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
  fields: Partial<PairsJudging>,
): Promise<void> {
  try {
    votingOf(await judgeFileFor(deps, fields), fields);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}${fields.judge === undefined ? '; or name one here' : ''}`, { cause: error });
  }
}

/** A file without a pair at its beginning is another kind of file; single rows are counted when it is read. */
async function checkPairs(file: string): Promise<void> {
  let first: string | undefined;
  for await (const { row, problem } of readGivenPairs(file)) {
    if (problem === undefined) return;
    first ??= `row ${row}: ${problem}`;
    if (row + 1 >= ROWS_TO_LOOK_AT) break;
  }
  throw new Error(first === undefined ? `${file} has no rows` : `${file} holds no pairs, ${first}`);
}
