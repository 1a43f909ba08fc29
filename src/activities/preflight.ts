import type { TrainedConversation } from '../models/training/launchers/launcher.ts';
import type { Problem } from '../platform/problem.ts';
import type { Configuration, PartialConfiguration } from '../config/run-configuration.ts';
import { quantity } from '../platform/quantity.ts';
import {
  checkpointPathOrId,
  findOutsideCheckpoint,
  requireCheckpoint,
  storeUriOf,
} from '../runs/find-checkpoint.ts';
import { type Serving, servingDriverOf } from '../models/serving/drivers/registry.ts';
import { recipeOf } from '../models/training/recipes/registry.ts';
import { launcherOf } from '../models/training/launchers/registry.ts';
import { withHeartbeats } from './heartbeats.ts';
import { collectProblem, checkStoreProbe } from './check-configuration.ts';
import type { CheckDependencies, Dependencies } from './dependencies.ts';
import { MODEL_ROLES, type ModelRole } from '../config/model-roles.ts';
import { servingProblems, trainingProblems, withResolvedCommand } from '../policy/policy-problems.ts';
import { requireVllm, samplesByVllm, trainerPython } from './trainer-python.ts';
import { requestsOfRoles } from '../config/requests-of-roles.ts';

export interface PreflightInput {
  readonly usable: PartialConfiguration;
  readonly storeProbe: string;
  /** Conversations with the run's prompts; none if nothing is trained. */
  readonly conversations?: readonly TrainedConversation[];
}

/** Checks everything that a worker with the role `inference` can see: the store, and the external endpoints. */
export function preflightInference(
  deps: Dependencies,
  { usable, storeProbe }: PreflightInput,
): Promise<readonly Problem[]> {
  return withHeartbeats(async () => {
    const problemLists = await Promise.all([
      checkStoreProbe(deps, storeProbe, 'inference'),
      endpointProblems(deps, usable),
    ]);
    return problemLists.flat();
  });
}

/** Lists the problems of the external endpoints. */
export async function endpointProblems(
  deps: ServingDependencies,
  usable: PartialConfiguration,
): Promise<Problem[]> {
  return servingChecks(deps, usable, false);
}

/** Returns whether a worker's machine has to serve the model; also true if its `serving` is missing. */
export function needsMachine(serving: Serving | undefined): boolean {
  return serving === undefined || servingDriverOf(serving).needsMachine;
}

interface ServingDependencies extends Pick<Dependencies, 'environment' | 'policy' | 'connectionGuard'> {
  readonly python?: string | undefined;
}

/**
 * Lets each serving driver check its settings: those that need a machine, or the others. What the policy forbids is not tried.
 */
async function servingChecks(
  deps: ServingDependencies,
  usable: PartialConfiguration,
  onMachine: boolean,
): Promise<Problem[]> {
  const { python, environment, policy, connectionGuard: guard } = deps;
  const runName = usable.runName ?? '';
  const seedPath = usable.models?.seed.serving === undefined ? 'serving' : 'models.seed.serving';
  const trainedPath = usable.fineTuning === undefined ? undefined : seedPath;
  const problemLists = await Promise.all(
    servings(usable)
      .filter(({ settings }) => needsMachine(settings) === onMachine)
      .map(async (used) => {
        const forbidden = servingProblems(policy, used.path, used.settings);
        if (forbidden.length > 0) return forbidden;
        const settings = withResolvedCommand(policy, used.settings);
        const driver = servingDriverOf(settings);
        // The words of a picked template were not known when the configuration was parsed.
        const contradictions =
          settings === used.settings
            ? []
            : [
                ...driver.problems(used.path, settings),
                ...(used.path === trainedPath
                  ? driver.trainedJudgeProblems(used.path, settings, usable.fineTuning?.adapter)
                  : []),
              ];
        if (contradictions.length > 0) return contradictions;
        return driver.check({ ...used, settings, runName, python, environment, guard });
      }),
  );
  return problemLists.flat();
}

/**
 * Checks everything that a worker with the role `gpu` can see: the store, the checkpoints, the trainer, and the
 * commands that start servers.
 */
export function preflightGpu(
  deps: Dependencies,
  { usable, storeProbe, conversations = [] }: PreflightInput,
): Promise<readonly Problem[]> {
  return withHeartbeats(async ({ signal }) => {
    const problemLists = await Promise.all([
      checkStoreProbe(deps, storeProbe, 'gpu'),
      checkMachine(deps, usable, conversations, signal).then(({ problems }) => problems),
    ]);
    // A check that was interrupted by an abort has no result.
    signal.throwIfAborted();
    return problemLists.flat();
  });
}

export interface MachineCheck {
  /** The problems that the checkpoints, the commands that start servers, and the trainer have on this machine. */
  readonly problems: readonly Problem[];
  /** Where trainings would run, such as `1 x NVIDIA H200`; undefined if they can't, or if there are none. */
  readonly trainer: string | undefined;
}

/**
 * Checks on this machine what the checkpoints, the commands that start servers, and the trainer need.
 * @param conversations with the prompts of the run, which the seed model's chat template must render whole
 */
export async function checkMachine(
  deps: CheckDependencies,
  usable: PartialConfiguration,
  conversations: readonly TrainedConversation[],
  signal: AbortSignal,
): Promise<MachineCheck> {
  const { models, fineTuning } = usable;
  let trainer: string | undefined;
  const problemLists = await Promise.all([
    ...MODEL_ROLES.map((role) => {
      const model = models?.[role];
      const needed =
        model !== undefined && (role === 'seed' || needsMachine(model.serving ?? usable.serving));
      if (!needed) return [];
      return collectProblem(`models.${role}.checkpoint`, () =>
        requireCheckpoint(deps.store, deps.files, model.checkpoint),
      );
    }),
    servingChecks(deps, usable, true),
    fineTuning === undefined || models === undefined ? [] : checkTraining(models.seed.checkpoint, fineTuning),
  ]);
  return { problems: problemLists.flat(), trainer };

  async function checkTraining(
    checkpoint: string,
    fineTuning: Configuration['fineTuning'],
  ): Promise<Problem[]> {
    const { store, files, policy } = deps;
    const forbidden = trainingProblems(policy, fineTuning);
    if (forbidden.length > 0) return forbidden;
    const { adapter, trustRemoteCode, reportTo } = fineTuning;
    const launcher = withResolvedCommand(policy, fineTuning.launcher);
    const machine = { packageRoot: deps.packageRoot, environment: deps.environment };
    return (await Promise.all([checkWithCheckpoint(), checkVllm(), checkDevices()])).flat();

    async function checkWithCheckpoint() {
      const isFound = await requireCheckpoint(store, files, checkpoint).then(
        () => true,
        () => false,
      );
      // The check of the checkpoint reports a missing checkpoint; the trainer is checked without it.
      if (!isFound) return checkLauncher(undefined);
      const uri = storeUriOf(checkpoint);
      // The trainer can read the address of a bucket.
      return checkLauncher(
        uri === undefined ? checkpointPathOrId(findOutsideCheckpoint(files, checkpoint)) : store.locate(uri),
      );
    }

    function checkLauncher(baseCheckpoint: string | undefined): Promise<Problem[]> {
      const path = 'fineTuning.launcher';
      return collectProblem(path, async () => {
        const { problems, device } = await launcherOf(launcher).check({
          settings: launcher,
          machine: { ...machine, python: deps.python, usesBucket: store.objects.isRemote },
          ...{ baseCheckpoint, trustRemoteCode, reportTo, signal },
          run: { conversations, adapter },
          ...(store.objects.isRemote ? { isStoreRemote: true } : { storeFolder: store.address }),
        });
        if (problems.length > 0) throw new Error(problems.join('; '));
        trainer = device;
      });
    }

    /** Checks the trainings that sample by vLLM, if they run on this machine. */
    async function checkVllm(): Promise<Problem[]> {
      const index = fineTuning.rounds.findIndex(samplesByVllm);
      const round = fineTuning.rounds[index];
      if (round === undefined || launcherOf(launcher).processOf === undefined) return [];
      return collectProblem(`fineTuning.rounds.${index}.hyperparameters.rollouts`, () =>
        requireVllm({ ...machine, python: trainerPython(deps, round) }, signal),
      );
    }

    /** Checks that the GPUs of each training can be divided into the groups over which its vLLM divides the model. */
    async function checkDevices(): Promise<Problem[]> {
      const { devices, isAssumed } = await launcherOf(launcher).parallelism(launcher, deps.packageRoot);
      if (isAssumed === true) return [];
      return fineTuning.rounds.flatMap((round, index) => {
        const { vllmTensorParallel = 1 } = recipeOf(round).sampling?.(round) ?? {};
        if (devices % vllmTensorParallel === 0) return [];
        const message =
          `found ${vllmTensorParallel}, but fineTuning.launcher trains on ${quantity(devices, 'GPU')}, which can't be divided by it: ` +
          'set a divisor of their number, or train on more GPUs';
        return [{ path: `fineTuning.rounds.${index}.hyperparameters.vllmTensorParallel`, message }];
      });
    }
  }
}

/** The `serving` sections that a configuration uses, each with its path, a checkpoint that it serves, and its requests. */
function servings(usable: PartialConfiguration) {
  const { serving, models } = usable;
  const sectionOf = (role: ModelRole) => {
    const owner = models?.[role] === undefined ? 'seed' : role;
    return models?.[owner]?.serving === undefined ? 'serving' : `models.${owner}.serving`;
  };
  const requestsOf = (path: string) =>
    requestsOfRoles(
      usable,
      MODEL_ROLES.filter((role) => sectionOf(role) === path),
    );
  const own = MODEL_ROLES.flatMap((role) => {
    const model = models?.[role];
    if (model?.serving === undefined) return [];
    const path = `models.${role}.serving`;
    return [{ path, settings: model.serving, checkpoint: model.checkpoint, requests: requestsOf(path) }];
  });
  if (serving === undefined) return own;
  const checkpoint = models?.seed.checkpoint ?? '';
  return [{ path: 'serving', settings: serving, checkpoint, requests: requestsOf('serving') }, ...own];
}
