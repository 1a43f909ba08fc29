import {
  findEvaluation,
  findPairsJudging,
  findRun,
  type JudgeEvaluationResult,
  type PairsJudgingResult,
  type RunResult,
} from '../../client/index.ts';
import { driftSentences } from '../../api/drift-text.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { fileKey, RECORDS_FILE } from '../../store/manifest.ts';
import { judgingFiguresTable } from '../output/judging-figures-table.ts';
import { unansweredReason } from '../../temporal/missing-worker.ts';
import { connectToTemporal, isServerReachable } from '../temporal/connect.ts';
import { displayFor, jsonDisplay } from '../progress/display.ts';
import { resolveRun } from '../temporal/resolve-run.ts';
import { type Watchable, watchRun } from '../progress/watch-run.ts';
import { evaluationResultTable, resultTable } from '../output/result-table.ts';
import { controlHints } from './control-hints.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { stopSignal } from '../core/stop-signal.ts';
import { printText, printError } from '../core/output.ts';

type Result = RunResult | JudgeEvaluationResult | PairsJudgingResult;

const FINDERS = { run: findRun, evaluation: findEvaluation, judging: findPairsJudging };

/**
 * Shows the progress of a run until it ends, and then its result.
 * @throws CommandError if no server answers or there is no such run; the failure of the run
 */
export async function follow(name: string | undefined, json: boolean): Promise<ExitReason> {
  const closed = new AbortController();
  const signal = AbortSignal.any([stopSignal(), closed.signal]);
  // The reader of the JSON may close the pipe.
  process.stdout.on('error', () => closed.abort());

  const temporal = await connectToTemporal(process.env);
  const { client, connection, address } = temporal;
  const resolved = await resolveRun(temporal, name);
  const run = FINDERS[resolved.kind](client, resolved.workflowId);
  let report: string | undefined;
  const watched: Watchable<Result> = {
    async progress() {
      const progress = await run.progress();
      ({ report } = progress);
      return progress;
    },
    result: (options) => run.result(options),
  };
  try {
    const result = await watchRun(watched, {
      display: json ? jsonDisplay() : displayFor(process.stderr, process.env),
      signal,
      isServerReachable: () => isServerReachable(connection),
      server: address,
      unansweredReason: () => unansweredReason(client, resolved.workflowId),
    });
    if (result === undefined) {
      printError(`\n${controlHints(resolved)}`);
      return 'interrupted';
    }
    if (!json) printText(`\n${resultText(result, report)}`);
    return 'done';
  } catch (error) {
    // An empty line separates the error from the progress above.
    if (!json) printError('');
    throw error;
  }
}

/** The figures, and where the full results are. */
function resultText(result: Result, report: string | undefined): string {
  if ('verdicts' in result)
    return `${judgingFiguresTable(result.figures)}\n\nVerdicts: ${fileKey(result.verdicts, RECORDS_FILE)} in the store`;
  const table = 'iterations' in result ? resultTable(result) : evaluationResultTable(result);
  const drift = 'drift' in result && result.drift !== undefined ? driftSentences(result.drift) : [];
  return [
    table,
    ...drift.map((sentence) => oneLine(sentence)),
    `Report: ${report ?? `${result.report} in the store`}`,
  ].join('\n\n');
}
