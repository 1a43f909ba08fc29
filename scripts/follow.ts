/** `npm run follow -- NAME`: how a run on any server goes, until it ends. It goes on without anybody who follows it. */
import {
  failureMessage,
  findEvaluation,
  findRun,
  type JudgeEvaluationResult,
  type RunResult,
} from '../src/client.ts';
import { connectToTemporal, serverAnswers } from './follow/connect.ts';
import { displayFor, jsonDisplay } from './follow/display.ts';
import { findRunNamed } from './follow/find-run.ts';
import { type Followed, followRun } from './follow/follow-run.ts';
import { evaluationResultTable, resultTable } from './follow/result-table.ts';
import { steering } from './follow/steering.ts';
import { parseArguments } from './setup/parse-options.ts';
import { runScript } from './setup/run-script.ts';
import { SetupError } from './setup/setup-error.ts';

const OPTIONS = {
  /** Each change of the progress as a line of JSON on standard output, and nothing else there. */
  json: { type: 'boolean', default: false },
} as const;

function readArguments(args: string[]) {
  const { values, positionals } = parseArguments(args, OPTIONS);
  if (positionals.length > 1) throw new SetupError(`one run at a time, not ${positionals.length}`);
  return { ...values, name: positionals[0] };
}

await runScript(async () => {
  const { json, name } = readArguments(process.argv.slice(2));
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  // Who reads the JSON may have enough.
  process.stdout.on('error', stop);

  const temporal = await connectToTemporal(process.env);
  const { client, connection, address } = temporal;
  const found = await findRunNamed(temporal, name);
  const find = found.type === 'evaluateJudge' ? findEvaluation : findRun;
  const run = find(client, found.workflowId);
  let report: string | undefined;
  const followed: Followed<RunResult | JudgeEvaluationResult> = {
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
      console.error(`\n${steering(found, temporal)}`);
      process.exitCode = 130;
    } else if (!json) {
      const table = 'iterations' in result ? resultTable(result) : evaluationResultTable(result);
      console.log(`\n${table}\n\nReport: ${report ?? `${result.report} in the store`}`);
    }
  } catch (error) {
    console.error(`\n${failureMessage(error)}`);
    process.exitCode = 1;
  }
});
// The connection ends with the process: closed before, it throws at a call that the SDK is about to repeat.
process.exit();
