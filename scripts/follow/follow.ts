import {
  findEvaluation,
  findJudging,
  findRun,
  type JudgeEvaluationResult,
  type JudgingResult,
  type RunResult,
} from '../../src/client.ts';
import { RECORDS_FILE } from '../../src/artifacts/store.ts';
import { summaryTable } from '../judge/summary.ts';
import { connectToTemporal, serverAnswers } from './connect.ts';
import { displayFor, jsonDisplay } from './display.ts';
import { findRunNamed } from './find-run.ts';
import { type Followed, followRun } from './follow-run.ts';
import { evaluationResultTable, resultTable } from './result-table.ts';
import { steering } from './steering.ts';
import type { Ending } from '../cli/exit-codes.ts';

type Result = RunResult | JudgeEvaluationResult | JudgingResult;

const FIND = { run: findRun, evaluation: findEvaluation, judging: findJudging };

/**
 * Shows the progress of a run until it ends, and then its result; without a name, of the one that is under way.
 * @throws CommandError where no server answers or no run has this name; what the run fails with
 */
export async function follow(name: string | undefined, json: boolean): Promise<Ending> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  // Who reads the JSON may have enough.
  process.stdout.on('error', stop);

  const temporal = await connectToTemporal(process.env);
  const { client, connection, address } = temporal;
  const found = await findRunNamed(temporal, name);
  const run = FIND[found.kind](client, found.workflowId);
  let report: string | undefined;
  const followed: Followed<Result> = {
    async progress() {
      const progress = await run.progress();
      ({ report } = progress);
      return progress;
    },
    result: (options) => run.result(options),
  };
  try {
    const result = await followRun(followed, {
      display: json ? jsonDisplay() : displayFor(process.stderr, process.env),
      signal: stopping.signal,
      serverAnswers: () => serverAnswers(connection),
      server: address,
    });
    if (result === undefined) {
      console.error(`\n${steering(found)}`);
      return 'interrupted';
    }
    if (!json) console.log(`\n${resultText(result, report)}`);
    return 'done';
  } catch (error) {
    // A line below what was shown.
    if (!json) console.error('');
    throw error;
  }
}

/** The figures, and where more of it is. */
function resultText(result: Result, report: string | undefined): string {
  if ('verdicts' in result)
    return `${summaryTable(result.figures)}\n\nVerdicts: ${result.verdicts.uri}/${RECORDS_FILE} in the store`;
  const table = 'iterations' in result ? resultTable(result) : evaluationResultTable(result);
  return `${table}\n\nReport: ${report ?? `${result.report} in the store`}`;
}
