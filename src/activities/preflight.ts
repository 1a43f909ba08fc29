import { delimiter, isAbsolute, join } from 'node:path';
import { access, constants } from 'node:fs/promises';
import type { Problem } from '../config/read-configuration.ts';
import type { Configuration, Serving } from '../config/schema.ts';
import { checkpointArgument, findCheckpoint } from '../config/checkpoint.ts';
import { checkEndpoints } from '../inference/endpoint-models.ts';
import { endpointsOf } from '../inference/endpoint.ts';
import { commandPlaceholders, fillIn, namePlaceholders, unknownPlaceholders } from '../serving/drivers.ts';
import { checkTrainer } from '../training/check-trainer.ts';
import { withHeartbeats } from './attempt.ts';
import { attemptTo, checkSharedStore } from './check-configuration.ts';
import type { Dependencies, LocalDependencies } from './dependencies.ts';
import { MODEL_ROLES } from './types.ts';

export interface PreflightInput {
  readonly usable: Partial<Configuration>;
  readonly marker: string;
}

/** What the inference role can see before any work: the store, and the endpoints that somebody else serves. */
export function preflightInference(
  deps: Dependencies,
  { usable, marker }: PreflightInput,
): Promise<readonly Problem[]> {
  return withHeartbeats(async () => {
    const found = await Promise.all([
      checkSharedStore(deps, marker, 'inference'),
      endpointProblems(deps, usable),
    ]);
    return found.flat();
  });
}

/** What is wrong with the endpoints that somebody else serves. */
export async function endpointProblems(
  deps: Pick<Dependencies, 'environment'>,
  usable: Partial<Configuration>,
): Promise<Problem[]> {
  const found = await Promise.all(
    servings(usable).flatMap(({ path, serving, checkpoint }) =>
      serving.kind === 'endpoint'
        ? [checkSomebodysEndpoint(deps, path, serving, checkpoint, usable.runName ?? '')]
        : [],
    ),
  );
  return found.flat();
}

/** What the gpu role can see before any work: the store, checkpoints, the trainer, the commands that start servers. */
export function preflightGpu(
  deps: Dependencies,
  { usable, marker }: PreflightInput,
): Promise<readonly Problem[]> {
  return withHeartbeats(async ({ signal }) => {
    const found = await Promise.all([
      checkSharedStore(deps, marker, 'gpu'),
      machineProblems(deps, usable, signal),
    ]);
    // What an abort has cut short is no finding.
    signal.throwIfAborted();
    return found.flat();
  });
}

/** What is wrong with the checkpoints, the commands that start servers, and the trainer, as this machine has them. */
export async function machineProblems(
  deps: LocalDependencies,
  usable: Partial<Configuration>,
  signal: AbortSignal,
): Promise<Problem[]> {
  const { models, fineTuning } = usable;
  const found = await Promise.all([
    ...MODEL_ROLES.map((role) => {
      const model = models?.[role];
      const needed =
        model !== undefined && (role === 'seed' || (model.serving ?? usable.serving)?.kind === 'command');
      if (!needed) return [];
      return attemptTo(`models.${role}.checkpoint`, () =>
        findCheckpoint(deps.store, deps.files, model.checkpoint),
      );
    }),
    ...servings(usable).map(({ path, serving }) =>
      serving.kind === 'command' ? checkCommand(deps, path, serving) : [],
    ),
    fineTuning === undefined || models === undefined ? [] : checkTraining(models.seed.checkpoint, fineTuning),
  ]);
  return found.flat();

  function checkTraining(
    checkpoint: string,
    { launcher, trustRemoteCode, reportTo }: Configuration['fineTuning'],
  ) {
    return attemptTo('fineTuning.launcher', async () => {
      let base: string | undefined;
      try {
        base = checkpointArgument(findCheckpoint(deps.store, deps.files, checkpoint));
      } catch {
        // A missing checkpoint is named by its own field; the trainer is checked without it.
      }
      await checkTrainer({
        command: launcher.command,
        python: deps.python,
        packageRoot: deps.packageRoot,
        environment: deps.environment,
        baseCheckpoint: base,
        trustRemoteCode,
        reportTo,
        signal,
      });
    });
  }
}

/** The servings that a configuration uses, each with the field that it stands in and a checkpoint it is used for. */
function servings({ serving, models }: Partial<Configuration>) {
  const own = MODEL_ROLES.flatMap((role) => {
    const model = models?.[role];
    if (model?.serving === undefined) return [];
    return [{ path: `models.${role}.serving`, serving: model.serving, checkpoint: model.checkpoint }];
  });
  if (serving === undefined) return own;
  return [{ path: 'serving', serving, checkpoint: models?.seed.checkpoint ?? '' }, ...own];
}

async function checkSomebodysEndpoint(
  deps: Pick<Dependencies, 'environment'>,
  path: string,
  serving: Extract<Serving, { kind: 'endpoint' }>,
  checkpoint: string,
  runName: string,
): Promise<Problem[]> {
  const unknown = unknownPlaceholders(serving.servedName, namePlaceholders);
  if (unknown.length > 0)
    return [{ path: `${path}.servedName`, message: unknownMessage(unknown, namePlaceholders) }];
  const model = fillIn(serving.servedName, { runName, iteration: '0', checkpoint });
  const problems = await checkEndpoints(endpointsOf(serving, model), {
    environment: deps.environment,
    timeoutSeconds: 30,
    expectModel: true,
  });
  return problems.map((message) => ({ path, message }));
}

async function checkCommand(
  deps: Pick<Dependencies, 'python' | 'environment'>,
  path: string,
  { command, servedName }: Extract<Serving, { kind: 'command' }>,
): Promise<Problem[]> {
  const unknown = command.flatMap((argument, index) => {
    const names = unknownPlaceholders(argument, commandPlaceholders);
    return names.length === 0
      ? []
      : [{ path: `${path}.command.${index}`, message: unknownMessage(names, commandPlaceholders) }];
  });
  const names = unknownPlaceholders(servedName, namePlaceholders);
  if (names.length > 0)
    unknown.push({ path: `${path}.servedName`, message: unknownMessage(names, namePlaceholders) });
  if (unknown.length > 0) return unknown;
  const program = command[0] === '{python}' ? deps.python : (command[0] as string);
  return attemptTo(`${path}.command.0`, () => findProgram(program, deps.environment['PATH'] ?? ''));
}

function unknownMessage(unknown: readonly string[], known: readonly string[]): string {
  const braces = (names: readonly string[]) => names.map((name) => `{${name}}`).join(', ');
  return `unknown placeholder ${braces(unknown)}; known: ${braces(known)}`;
}

async function findProgram(program: string, path: string): Promise<void> {
  const direct = isAbsolute(program) || program.includes('/');
  const candidates = direct ? [program] : path.split(delimiter).map((folder) => join(folder, program));
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return;
    } catch {
      // The next folder may have it.
    }
  }
  throw new Error(
    `no program ${program}${direct ? '' : ' on the PATH of the worker with role gpu'}: install it, or name it by its absolute path`,
  );
}
