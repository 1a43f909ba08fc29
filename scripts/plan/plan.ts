/** `plan <configuration>`: what a run would take. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheFolder } from '../../src/config/cache-folder.ts';
import { CALLED, kindOf } from '../../src/config/kind.ts';
import { type Problem, readConfiguration } from '../../src/config/read-configuration.ts';
import type { Configuration } from '../../src/config/schema.ts';
import { problemsText } from '../../src/format/problems.ts';
import { SettingError } from '../../src/setting-error.ts';
import { readAssumption, type Assumptions } from '../../src/plan/assumptions.ts';
import { makePlan } from '../../src/plan/make-plan.ts';
import { readRates, type Rates } from '../../src/plan/rates.ts';
import { roleProblems } from '../../src/plan/role-problems.ts';
import { DEFAULT_TASK_QUEUE } from '../../src/worker-options.ts';
import { CommandError } from '../cli/command-error.ts';
import type { Ending } from '../cli/exit-codes.ts';
import { CALL } from '../cli/program.ts';
import { connectToTemporal } from '../follow/connect.ts';
import { storeAt } from '../runs/places.ts';
import { pythonPath } from '../setup/python-environment.ts';
import { configurationObject } from '../start/configuration-file.ts';
import { planText } from './plan-text.ts';

const root = join(import.meta.dirname, '..', '..');

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
 * @returns `failed` where something is missing without which a run would be refused
 * @throws CommandError
 */
export async function printPlan(args: PlanArguments): Promise<Ending> {
  const { probe, 'probe-seconds': probeSeconds, json } = args;
  if (!(probeSeconds > 0))
    throw new CommandError('usage', `--probe-seconds is ${probeSeconds}, and must be a number above 0`);
  const configuration = runConfigurationIn(resolve(args.configuration));
  const assumptions = assumed(args.assume);
  const rates = args.rates === undefined ? {} : await ratesIn(resolve(args.rates));
  const { env } = process;
  const cache = cacheFolder(env, process.platform);
  const python = pythonPath();
  console.error('Looking at files, endpoints, trainer and store; this does no work.');
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new CommandError('interrupted', 'Interrupted: there is no plan.'));
  // A server that a probe has started must not outlive it.
  if (probe) process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  const plan = await makePlan(
    {
      store: storeAt(args.store),
      files: { roots: [process.cwd(), root, cache] },
      python: existsSync(python) ? python : undefined,
      packageRoot: root,
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
      say: (line) => console.error(line),
    },
  );
  console.log(json ? JSON.stringify(plan, undefined, 2) : planText(plan));
  return plan.missing.length > 0 ? 'failed' : 'done';
}

/** What a run is started with, every default filled in; refused in the same words as when it is started. */
function runConfigurationIn(file: string): Configuration {
  const input = configurationObject(file);
  const kind = kindOf(input);
  if (kind !== 'run')
    throw new CommandError(
      'usage',
      `${file} configures ${CALLED[kind]}, and a plan is made for runs. "${CALL} doctor FILE" says whether it can be started.`,
    );
  const { configuration, problems } = readConfiguration(input);
  if (configuration === undefined) throw new CommandError('usage', `${file}: ${problemsText(problems)}`);
  return configuration;
}

function assumed(texts: readonly string[]): Assumptions {
  try {
    return Object.fromEntries(texts.map(readAssumption));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CommandError('usage', `--assume: ${error.message}`);
  }
}

async function ratesIn(file: string): Promise<Rates> {
  try {
    return await readRates(file);
  } catch (error) {
    throw new CommandError('usage', `--rates: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The roles without a worker, or that no Temporal server answers. */
async function missingWorkers(environment: NodeJS.ProcessEnv): Promise<Problem[]> {
  const taskQueue = environment['SELF_TAUGHT_EVALUATOR_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE;
  try {
    const { client } = await connectToTemporal(environment);
    return await roleProblems(client, taskQueue);
  } catch (error) {
    const message = error instanceof SettingError ? error.message : String(error);
    return [{ path: 'Temporal', message }];
  }
}
