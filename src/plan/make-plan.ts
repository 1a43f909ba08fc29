import { inputProblems, uniqueProblems } from '../activities/check-configuration.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import { endpointProblems, machineProblems } from '../activities/preflight.ts';
import type { Problem } from '../config/read-configuration.ts';
import { generationIn } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import { RULES, type Assumptions } from './assumptions.ts';
import { countTokens } from './count-tokens.ts';
import { earlierRun, type EarlierRun } from './earlier-run.ts';
import { expectedStages, selectedOf, type ExpectedCounts } from './expected-usage.ts';
import { launchOf, type Launch } from './launcher.ts';
import { checkpointFolder, modelShape, type ModelShape } from './model-shape.ts';
import { notesOf } from './notes.ts';
import { readPlanInputs, type PlanInputs } from './plan-inputs.ts';
import type { Plan } from './plan-schema.ts';
import { plannedDisk, tooFull } from './planned-disk.ts';
import { plannedStages, summed } from './planned-stages.ts';
import { probe, type Probed } from './probe.ts';
import { measurePrompts } from './prompt-sizes.ts';
import type { Rates } from './rates.ts';
import { storeState, type StoreState } from './store-state.ts';
import { trainingMemory } from './training-memory.ts';
import { usedAssumptions } from './used-assumptions.ts';

/** A plan can be made where the Python environment isn't installed: then it is missing, and nothing counts by a tokenizer. */
export type PlanDependencies = Omit<LocalDependencies, 'python'> & { readonly python: string | undefined };

export interface PlanOptions {
  /** By the user. */
  readonly assumptions: Assumptions;
  /** By the user. */
  readonly rates: Rates;
  /** Asks the models themselves, for at most so long; undefined: doesn't. */
  readonly probeSeconds: number | undefined;
  readonly cacheFolder: string;
  /** Ends it before it is made. */
  readonly signal: AbortSignal;
  /** The roles that no worker has. */
  readonly workers: readonly Problem[];
  readonly say: (line: string) => void;
}

/**
 * Says what a run would take, without doing any of it: what each stage asks of models, memory, disk, time and cost, what
 * stands in the store already, and what is missing.
 */
export async function makePlan(
  deps: PlanDependencies,
  configuration: Configuration,
  options: PlanOptions,
): Promise<Plan> {
  const checks = problemsOf(deps, configuration, options.signal);
  const local: LocalDependencies = { ...deps, python: deps.python ?? '' };
  const inputs = await readPlanInputs(local, configuration);
  const folder = checkpointFolder(deps, configuration.models.seed.checkpoint);
  const shape = await modelShape(folder, configuration.models.seed.checkpoint);
  const launch = await launchOf(configuration.fineTuning.launcher.command, deps.packageRoot);
  const earlier = await earlierRun(deps.store, configuration);
  // What is checked beside a probe would slow it down.
  if (options.probeSeconds !== undefined) await checks;
  options.signal.throwIfAborted();
  const estimate = await estimateOf(local, configuration, options, { inputs, shape, launch, earlier });
  const { fineTuning } = configuration;
  const rounds = fineTuning.rounds.slice(0, configuration.iterations);
  return {
    runName: configuration.runName,
    store: deps.store.root,
    missing: [...(await checks), ...(estimate?.missing ?? [])],
    workers: options.workers,
    stages: [],
    whole: summed([]),
    remaining: summed([]),
    uncounted: inputs.uncounted,
    tokenizers: [],
    ...(shape === undefined ? {} : { model: { parameters: shape.parameters, from: shape.from } }),
    memory:
      shape === undefined
        ? []
        : rounds.map((round) => rounded(trainingMemory(shape, round, fineTuning.adapter, launch))),
    rates: {},
    assumptions: [],
    notes: [],
    ...estimate?.plan,
    ...(earlier === undefined ? {} : { earlierRun: earlier.runName }),
  };
}

/** What would be refused at the start, as this machine sees it. */
async function problemsOf(
  deps: PlanDependencies,
  configuration: Configuration,
  signal: AbortSignal,
): Promise<Problem[]> {
  const { python } = deps;
  const { fineTuning, ...others } = configuration;
  // That there is no Python is told once, not by everything that needs one.
  const machine =
    python === undefined
      ? machineProblems({ ...deps, python: process.execPath }, others, signal)
      : machineProblems({ ...deps, python }, { ...others, fineTuning }, signal);
  const local = { ...deps, python: python ?? '' };
  const found = await Promise.all([
    inputProblems(local, configuration),
    endpointProblems(deps, configuration),
    machine,
  ]);
  const noPython = {
    path: 'python',
    message: 'the Python environment is not installed: "npm run setup" installs it',
  };
  return [...uniqueProblems(found.flat()), ...(python === undefined ? [noPython] : [])];
}

interface Found {
  readonly inputs: PlanInputs;
  readonly shape: ModelShape | undefined;
  readonly launch: Launch;
  readonly earlier: EarlierRun | undefined;
}

/** The numbers; undefined where the prompts, or the size of the pool or of given pairs, are not known. */
async function estimateOf(
  deps: LocalDependencies,
  configuration: Configuration,
  options: PlanOptions,
  found: Found,
): Promise<{ readonly plan: Partial<Plan>; readonly missing: readonly Problem[] } | undefined> {
  const { inputs, shape, launch, earlier } = found;
  const { prompts, source, benchmarks } = inputs;
  if (prompts === undefined) return undefined;
  const resolved = { configuration, prompts };
  const state: StoreState =
    source === undefined ? { reused: new Map() } : await storeState(deps, resolved, source.files);
  const probed = await probedBy(deps, options, { resolved, inputs });
  const assumptions = {
    ...RULES,
    ...probed?.assumptions,
    ...earlier?.assumptions,
    ...options.assumptions,
  };
  const counts = countsOf(configuration, assumptions, inputs, state);
  if (counts === undefined) return undefined;
  const sizes = await measurePrompts(
    configuration,
    prompts,
    {
      source,
      missing: assumptions.instructionTokens?.value ?? 0,
      benchmarks,
    },
    (checkpoint, conversations) =>
      countTokens(conversations, {
        ...deps,
        python: deps.python === '' ? undefined : deps.python,
        folder: checkpointFolder(deps, checkpoint),
        trustRemoteCode: configuration.fineTuning.trustRemoteCode,
      }),
  );
  const expected = expectedStages({
    configuration,
    sizes,
    assumptions,
    counts,
    benchmarks: benchmarks.map(({ name, count, followsUp }) => ({ name, requests: count, followsUp })),
    devices: launch.devices,
  });
  const rates = { ...earlier?.rates, ...probed?.rates, ...options.rates };
  const stages = plannedStages(configuration, expected, rates, state.reused);
  const disk = await plannedDisk(deps, configuration, {
    counts,
    expected,
    shape,
    sizes,
    inputs,
    assumptions,
  });
  const isFresh = [...state.reused.values()].every((share) => share === 0);
  return {
    plan: {
      stages,
      whole: summed(stages.map((stage) => stage.whole)),
      remaining: summed(stages.map((stage) => stage.remaining)),
      counts: {
        ...(source === undefined ? {} : { rows: source.rows }),
        ...counts.pool,
        pairs: counts.pairs,
        humanPairs: counts.humanPairs,
      },
      tokenizers: sizes.counted,
      disk,
      rates,
      ...probeSummary(probed),
      assumptions: usedAssumptions(configuration, assumptions, {
        source: source === undefined,
        selected: state.selected === undefined,
        pairs: state.pairs === undefined,
        followUps: benchmarks.some(({ followsUp }) => followsUp),
      }),
      notes: notesOf({
        configuration,
        source,
        rates,
        probed,
        stages,
        hasShape: shape !== undefined,
        isFresh,
      }),
    },
    missing: [
      ...(state.problem === undefined ? [] : [state.problem]),
      ...(isFresh ? tooFull(deps, disk) : []),
    ],
  };
}

/** Undefined where nothing tells how many instructions, or given pairs, there are. */
function countsOf(
  configuration: Configuration,
  assumptions: Assumptions,
  { source, humanPairs }: PlanInputs,
  state: StoreState,
): ExpectedCounts | undefined {
  const generation = generationIn(configuration);
  if (generation === undefined) {
    const read = source?.kind === 'pairs' ? source.pairs : undefined;
    const pairs = state.pairs ?? read ?? assumptions.pairs?.value;
    return pairs === undefined ? undefined : { pool: undefined, pairs: Math.round(pairs), humanPairs };
  }
  const read = source?.kind === 'pool' ? source.instructions : undefined;
  const instructions = state.instructions ?? read ?? assumptions.instructions?.value;
  if (instructions === undefined) return undefined;
  const selected = state.selected ?? selectedOf(generation.instructions, assumptions, instructions);
  const pairs = state.pairs ?? Math.round(selected * (assumptions.pairShare?.value ?? 1));
  return { pool: { instructions: Math.round(instructions), selected }, pairs, humanPairs };
}

async function probedBy(
  deps: LocalDependencies,
  { probeSeconds, cacheFolder, signal, say }: PlanOptions,
  {
    resolved,
    inputs,
  }: { readonly resolved: Parameters<typeof probe>[1]['resolved']; readonly inputs: PlanInputs },
): Promise<Probed | undefined> {
  if (probeSeconds === undefined) return undefined;
  const { source, benchmarks } = inputs;
  if (source === undefined || source.sample.length === 0)
    return {
      requests: 0,
      atOnce: 0,
      seconds: 0,
      assumptions: {},
      rates: {},
      problem: 'there is no instruction, or given pair, to ask about',
    };
  return probe(deps, { resolved, source, benchmarks, seconds: probeSeconds, cacheFolder, signal, say });
}

function probeSummary(probed: Probed | undefined): Pick<Plan, 'probe'> {
  if (probed === undefined) return {};
  const { requests, atOnce, seconds, problem } = probed;
  return { probe: { requests, atOnce, seconds, ...(problem === undefined ? {} : { problem }) } };
}

function rounded(memory: ReturnType<typeof trainingMemory>): Plan['memory'][number] {
  return {
    ...memory,
    trained: Math.round(memory.trained),
    bytesPerGpu: Math.round(memory.bytesPerGpu),
    parts: memory.parts.map(({ what, bytes }) => ({ what, bytes: Math.round(bytes) })),
  };
}
