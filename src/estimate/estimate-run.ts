import { inputProblems, uniqueProblems } from '../activities/check-configuration.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import { checkMachine, endpointProblems, type MachineCheck } from '../activities/preflight.ts';
import type { RunEstimate } from '../api/estimate.ts';
import { findGeneration } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { launcherOf } from '../models/training/launchers/registry.ts';
import { modelShape, type ModelShape } from '../models/training/model-shape.ts';
import { trainingMemory } from '../models/training/training-memory.ts';
import type { Problem } from '../platform/problem.ts';
import { OWN_WORK } from '../policy/policy-schema.ts';
import { PROGRAM_CALL } from '../platform/program.ts';
import { checkpointFolder } from '../runs/find-checkpoint.ts';
import { markedConversations } from '../runs/marked-conversations.ts';
import { AssumptionsInUse, type Assumptions } from './assumptions.ts';
import { countTokens } from './count-tokens.ts';
import { findEarlierRun, type EarlierRunFigures } from './earlier-run.ts';
import { diskSpaceProblems, estimateDisk } from './estimate-disk.ts';
import { readEstimateInputs, type EstimateInputs } from './estimate-inputs.ts';
import {
  estimateStages,
  expectedStages,
  NO_USAGE,
  selectedOf,
  sumUsage,
  type ExpectedCounts,
  type RunFacts,
} from './expected-usage.ts';
import { estimateNotes } from './notes.ts';
import { probeModels, type ProbeOptions } from './probe.ts';
import { measurePrompts, promptKinds } from './prompts.ts';
import type { Rates } from './rates.ts';
import { findReusableWork, type ReusableWork } from './reusable-work.ts';

/** Without the Python environment an estimate reports it as missing, and counts tokens by a rule of thumb. */
export type EstimateDependencies = Omit<LocalDependencies, 'python'> & {
  readonly python: string | undefined;
};

export interface EstimateOptions extends ProbeOptions {
  /** Set by the user; they take precedence. */
  readonly assumptions: Assumptions;
  /** Set by the user; they take precedence. */
  readonly rates: Rates;
  /** The limit of a probe; undefined: no request is sent to measure anything. */
  readonly probeSeconds: number | undefined;
  /** The roles without a worker. */
  readonly workers: readonly Problem[];
}

/**
 * Estimates a run without starting it: requests and tokens by stage, memory, disk, time and cost, what the store already
 * has, and what is missing.
 */
export async function estimateRun(
  deps: EstimateDependencies,
  configuration: Configuration,
  options: EstimateOptions,
): Promise<RunEstimate> {
  const checks = checkStart(deps, configuration, options.signal);
  const inputs = await readEstimateInputs(deps, configuration);
  const { fineTuning, models } = configuration;
  const { checkpoint } = models.seed;
  const folder = await checkpointFolder(deps.store, deps.files, deps.environment, checkpoint);
  const shape = await modelShape(folder, checkpoint);
  const { launcher, adapter } = fineTuning;
  const launch = await launcherOf(launcher).parallelism(launcher, deps.packageRoot);
  const earlier = await findEarlierRun(deps.store, configuration);
  // Checks that run during a probe would slow it down.
  if (options.probeSeconds !== undefined) await checks;
  options.signal.throwIfAborted();
  const facts = { inputs, shape, devices: launch.devices, earlier };
  const figures = await estimateFigures(deps, configuration, options, facts);
  const { problems, trainer } = await checks;
  const rounds = shape === undefined ? [] : fineTuning.rounds.slice(0, configuration.iterations);
  return {
    runName: configuration.runName,
    store: deps.store.address,
    workers: options.workers,
    stages: [],
    whole: NO_USAGE,
    remaining: NO_USAGE,
    uncounted: inputs.uncounted,
    tokenizers: [],
    ...(shape === undefined ? {} : { model: { parameters: shape.parameters, from: shape.from } }),
    memory: rounds.flatMap((round) =>
      shape === undefined ? [] : [roundMemory(trainingMemory(shape, round, adapter, launch))],
    ),
    ...(trainer === undefined ? {} : { trainer }),
    rates: {},
    assumptions: [],
    notes: [],
    ...figures,
    missing: [...problems, ...(figures?.missing ?? [])],
    ...(earlier === undefined ? {} : { earlierRun: earlier.runName }),
  };
}

/** Checks on this machine what would prevent the start of the run. */
async function checkStart(
  deps: EstimateDependencies,
  configuration: Configuration,
  signal: AbortSignal,
): Promise<MachineCheck> {
  const { fineTuning: _fineTuning, ...withoutTraining } = configuration;
  const hasPython = deps.python !== undefined;
  // A missing Python environment is reported once, not by each check that needs it.
  const machine = { ...deps, python: deps.python ?? process.execPath, policy: OWN_WORK };
  const conversations = await markedConversations(deps.files, configuration);
  const [{ problems, trainer }, ...others] = await Promise.all([
    checkMachine(machine, hasPython ? configuration : withoutTraining, conversations, signal),
    inputProblems(machine, configuration),
    endpointProblems({ ...deps, policy: OWN_WORK }, configuration),
  ]);
  const noPython = {
    path: 'python',
    message: `the Python environment is not installed: "${PROGRAM_CALL} setup" installs it`,
  };
  const all = uniqueProblems([...others.flat(), ...problems]);
  return { problems: [...all, ...(hasPython ? [] : [noPython])], trainer };
}

/** Undefined if the prompts, or the number of instructions or provided pairs, are unknown. */
async function estimateFigures(
  deps: EstimateDependencies,
  configuration: Configuration,
  options: EstimateOptions,
  known: Pick<RunFacts, 'inputs' | 'devices'> & {
    readonly shape: ModelShape | undefined;
    readonly earlier: EarlierRunFigures | undefined;
  },
): Promise<Partial<RunEstimate> | undefined> {
  const { inputs, shape, earlier } = known;
  const { prompts, source } = inputs;
  if (prompts === undefined) return undefined;
  // No work here starts a Python program if there is none.
  const local = { ...deps, python: deps.python ?? '' };
  const resolved = { configuration, prompts };
  const reusable: ReusableWork =
    source === undefined
      ? { shares: new Map(), counts: {} }
      : await findReusableWork(local, resolved, source.files);
  const { probeSeconds } = options;
  const probed =
    probeSeconds === undefined
      ? undefined
      : await probeModels(local, resolved, inputs, probeSeconds, options);
  const assumptions = new AssumptionsInUse({
    ...probed?.assumptions,
    ...earlier?.assumptions,
    ...options.assumptions,
  });
  const counts = countsOf(configuration, assumptions, inputs, reusable.counts);
  if (counts === undefined) return undefined;
  const sizes = await measurePrompts(resolved, inputs, assumptions, async (checkpoint, conversations) =>
    countTokens(conversations, {
      ...deps,
      folder: await checkpointFolder(deps.store, deps.files, deps.environment, checkpoint),
      trustRemoteCode: configuration.fineTuning.trustRemoteCode,
    }),
  );
  const facts = { ...known, configuration, kinds: promptKinds(resolved), sizes, assumptions, counts };
  const expected = expectedStages(facts);
  const rates = { ...earlier?.rates, ...probed?.rates, ...options.rates };
  const stages = estimateStages(configuration, expected, rates, reusable.shares);
  const disk = await estimateDisk(deps.store, { ...facts, stages: expected });
  const isFresh = stages.every(({ reused }) => reused === 0);
  const probe = probed === undefined ? {} : { probe: probed.probe };
  return {
    stages,
    whole: sumUsage(stages.map((stage) => stage.whole)),
    remaining: sumUsage(stages.map((stage) => stage.remaining)),
    counts: { ...(source === undefined ? {} : { rows: source.rows }), ...counts },
    tokenizers: sizes.counted,
    disk,
    rates,
    ...probe,
    assumptions: assumptions.list(),
    notes: estimateNotes(configuration, source, { stages, rates, ...probe }, shape !== undefined),
    missing: [
      ...(reusable.problem === undefined ? [] : [reusable.problem]),
      ...(isFresh ? diskSpaceProblems(deps.store, disk) : []),
    ],
  };
}

/** Undefined if the number of instructions, or of provided pairs, is unknown. */
function countsOf(
  configuration: Configuration,
  assumptions: AssumptionsInUse,
  { source, humanPairs: human, tasks }: EstimateInputs,
  reusable: ReusableWork['counts'],
): ExpectedCounts | undefined {
  const labelled = {
    humanPairs: human,
    ...(tasks.length === 0 ? {} : { taskRecords: tasks.reduce((sum, { records }) => sum + records, 0) }),
  };
  const generation = findGeneration(configuration);
  if (generation === undefined) {
    const read = source?.kind === 'pairs' ? source : undefined;
    const provided = read?.pairs ?? assumptions.find('pairs');
    const withLimits = provided && provided * (1 + (read?.limitedPerPair ?? limitedPerPair()));
    const pairs = reusable.pairs ?? withLimits;
    return pairs === undefined ? undefined : { pairs: Math.round(pairs), ...labelled };
  }
  const read = source?.kind === 'pool' ? source.instructions : undefined;
  const instructions = reusable.instructions ?? read ?? assumptions.find('instructions');
  if (instructions === undefined) return undefined;
  const selected = reusable.selected ?? selectedOf(generation.instructions, assumptions, instructions);
  const pairs =
    reusable.pairs ?? Math.round(selected * assumptions.value('pairShare') * (1 + limitedPerPair()));
  return { instructions: Math.round(instructions), selected, pairs, ...labelled };

  /** The number of pairs with a limit that are made of each. */
  function limitedPerPair(): number {
    const { limits } = configuration.pairs;
    const drawn = limits.reduce((sum, { share }) => sum + share, 0);
    return drawn === 0 ? 0 : 2 * drawn * assumptions.value('limitableShare');
  }
}

function roundMemory(memory: ReturnType<typeof trainingMemory>): RunEstimate['memory'][number] {
  return {
    ...memory,
    trained: Math.round(memory.trained),
    bytesPerGpu: Math.round(memory.bytesPerGpu),
    parts: memory.parts.map(({ what, bytes }) => ({ what, bytes: Math.round(bytes) })),
  };
}
