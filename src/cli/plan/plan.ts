/** The command `plan <configuration>`: estimates what a run would take. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { cacheFolder } from '../../platform/cache-folder.ts';
import { KIND_LABELS } from '../../config/configuration-kind.ts';
import type { Problem } from '../../platform/problem.ts';
import { inputRoots } from '../../platform/input-files.ts';
import { parseConfiguration } from '../../config/parse-configuration.ts';
import type { Configuration } from '../../config/run-configuration.ts';
import { SettingError } from '../../platform/setting-error.ts';
import { parseAssumption } from '../../estimate/assumptions.ts';
import { estimateRun } from '../../estimate/estimate-run.ts';
import { parseRates } from '../../estimate/rates.ts';
import { missingRoleProblems } from '../../temporal/missing-roles.ts';
import { DEFAULT_TASK_QUEUE } from '../../api/task-queues.ts';
import { CommandError } from '../core/command-error.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { connectToTemporal } from '../temporal/connect.ts';
import { openStore } from '../../store/artifact-store.ts';
import { pythonPath, vllmPythonPath } from '../setup/python-environment.ts';
import { readConfigurationFile, readJsonObject } from '../core/configuration-file.ts';
import { planText } from './plan-text.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printText, printError, printJson } from '../core/output.ts';

interface PlanArguments {
  readonly configuration: string;
  readonly probe: boolean;
  readonly 'probe-seconds': number;
  readonly rates: string | undefined;
  readonly assume: readonly string[];
  readonly store: string;
  readonly json: boolean;
}

/**
 * Prints the plan.
 * @returns `failed` if something is missing that the run needs to start
 * @throws CommandError
 */
export async function printPlan(args: PlanArguments): Promise<ExitReason> {
  const { probe, 'probe-seconds': probeSeconds, json } = args;
  if (!(probeSeconds > 0))
    throw new CommandError('usage', `--probe-seconds is ${probeSeconds}, but must be a number above 0`);
  const configuration = readRunConfiguration(resolve(args.configuration));
  const assumptions = parseOption('--assume', () => Object.fromEntries(args.assume.map(parseAssumption)));
  const { rates: file } = args;
  const rates =
    file === undefined
      ? {}
      : parseOption('--rates', () => parseRates(resolve(file), readJsonObject(file, 'rates')));
  const { env } = process;
  const cache = cacheFolder(env, process.platform);
  const python = pythonPath();
  printError('Checking files, endpoints, trainer and store; nothing is started or changed.');
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new CommandError('interrupted', 'Interrupted: there is no plan.'));
  // A probe stops the server that it started.
  if (probe) process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  const plan = await estimateRun(
    {
      store: openStore(args.store),
      files: { roots: inputRoots(env) },
      python: existsSync(python) ? python : undefined,
      vllmPython: vllmPythonPath(),
      packageRoot,
      environment: env,
    },
    configuration,
    {
      assumptions,
      rates,
      probeSeconds: probe ? probeSeconds : undefined,
      cacheFolder: cache,
      signal: interrupted.signal,
      workers: await missingWorkers(env),
      say: (line) => printError(line),
    },
  );
  if (json) printJson(plan, 2);
  else printText(planText(plan));
  return plan.missing.length > 0 ? 'failed' : 'done';
}

/** Reads the configuration as `start` does, with the same error messages. */
function readRunConfiguration(file: string): Configuration {
  const { kind, input } = readConfigurationFile(file);
  const { configuration } = kind === 'run' ? parseConfiguration(input) : {};
  if (configuration !== undefined) return configuration;
  throw new CommandError(
    'usage',
    `${file} configures ${KIND_LABELS[kind]}, but a plan needs the configuration of a run. To check whether it can be started: ${PROGRAM_CALL} doctor FILE`,
  );
}

/** @throws CommandError that names the option */
function parseOption<Value>(option: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new CommandError('usage', `${option}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The roles without a worker, or the problem that no Temporal server answers. */
async function missingWorkers(environment: NodeJS.ProcessEnv): Promise<Problem[]> {
  const taskQueue = environment['SELF_TAUGHT_EVALUATOR_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE;
  try {
    const { client } = await connectToTemporal(environment);
    return await missingRoleProblems(client, taskQueue);
  } catch (error) {
    const message = error instanceof SettingError ? error.message : String(error);
    return [{ path: 'Temporal', message }];
  }
}
