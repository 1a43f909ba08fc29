/** Measures the lengths of answers and the rates of models by a small number of real requests. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEstimate } from '../api/estimate.ts';
import { MODEL_ROLES, modelOfRole, servingOf, type ModelRole } from '../config/model-roles.ts';
import type { LocalDependencies } from '../activities/dependencies.ts';
import type { ResolvedConfiguration } from '../runs/open-run.ts';
import { checkpointPathOrId, findCheckpoint } from '../runs/find-checkpoint.ts';
import { requireGeneration } from '../config/pair-source.ts';
import { judgeSampling } from '../config/benchmark-sampling.ts';
import { reasoningMarksOf } from '../config/reasoning.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { createInferenceClient, type InferenceClient } from '../models/inference/client.ts';
import type { CompletionRequest } from '../models/inference/completion.ts';
import { machineGpus, type GpuLease } from '../models/gpus/machine-gpus.ts';
import { endpointsOf } from '../models/inference/endpoint.ts';
import type { UserRequest } from '../method/conversation.ts';
import { answerOf, type ReasoningMarks } from '../method/reasoning.ts';
import { parseSimilarWithResponse } from '../method/parse-similar-with-response.ts';
import { sampleBatches } from '../method/sampling-batches.ts';
import { servingDriverOf } from '../models/serving/drivers/registry.ts';
import { createServerSupervisor } from '../models/serving/supervisor.ts';
import type { Assumption, AssumptionName, Assumptions } from './assumptions.ts';
import type { EstimateInputs, EstimateSource, SampledBenchmark } from './estimate-inputs.ts';
import {
  benchmarkPrompts,
  promptKinds,
  type Conversation,
  type PromptKind,
  type PromptSubject,
} from './prompts.ts';
import type { Rates } from './rates.ts';

export interface ProbeOptions {
  readonly cacheFolder: string;
  /** Ends the probe and its servers early. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface ProbeResult {
  readonly probe: NonNullable<RunEstimate['probe']>;
  readonly assumptions: Assumptions;
  readonly rates: Rates;
}

/** The most requests in flight, and of each kind, besides a first one that is sent alone. */
const MAX_IN_FLIGHT = 64;

/** Serves a role's model until another one is needed. */
type Serve = (role: ModelRole) => Promise<CompletionRequest['endpoints']>;

/**
 * Sends each model of the run a sample of the run's requests. If the configuration serves a model by a command, the probe
 * starts a server by the same command and stops it afterwards; before that it waits until the GPUs of this machine belong to
 * no run.
 * @param seconds the limit for the whole probe, including the start of model servers, but not the wait for the GPUs
 */
export async function probeModels(
  deps: LocalDependencies,
  resolved: ResolvedConfiguration,
  { source, benchmarks }: EstimateInputs,
  seconds: number,
  { cacheFolder, signal, say }: ProbeOptions,
): Promise<ProbeResult> {
  const { configuration } = resolved;
  if (source === undefined || source.sample.length === 0) {
    const problem = 'no instruction or provided pair could be read';
    return { probe: { requests: 0, atOnce: 0, seconds: 0, problem }, assumptions: {}, rates: {} };
  }
  const lease = await leaseGpus(deps, configuration, say, signal);
  const stateFolder = await mkdtemp(join(tmpdir(), 'probe-'));
  const servers = createServerSupervisor({
    ...deps,
    stateFolder,
    storeRoot: deps.store.objects.localRoot,
    cacheFolder,
    log: (_level, line) => say(line),
    onRunning: async (_owners, process) => lease?.keepFor(process),
  });
  const { concurrentRequestsPerShard, concurrentShards } = configuration.inference;
  const atOnce = Math.min(MAX_IN_FLIGHT, concurrentRequestsPerShard * concurrentShards, source.sample.length);
  const client = createInferenceClient({
    concurrency: { minimum: atOnce, maximum: atOnce },
    requestTimeoutSeconds: seconds,
    retry: { attempts: 1, initialSeconds: 0, maximumSeconds: 0 },
    environment: deps.environment,
  });
  const startedAt = performance.now();
  const deadline = AbortSignal.any([AbortSignal.timeout(seconds * 1000), signal]);
  const probe = new RequestProbe(client, deadline, atOnce, reasoningMarksOf(configuration));
  const stopServers = () => void servers.stopAll();
  deadline.addEventListener('abort', stopServers);
  let problem: string | undefined;
  try {
    await sendAll(
      probe,
      resolved,
      source,
      benchmarks,
      serveWith(deps, configuration, servers, { say, lease }),
    );
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
    if (deadline.aborted)
      problem = `the probe did not finish within ${seconds} s: give it more time by --probe-seconds`;
  } finally {
    deadline.removeEventListener('abort', stopServers);
    await servers.stopAll();
    await lease?.release();
    await client.close();
    await rm(stateFolder, { recursive: true, force: true });
  }
  signal.throwIfAborted();
  const { requests, assumptions, rates } = probe;
  const took = (performance.now() - startedAt) / 1000;
  const figures = { requests, atOnce, seconds: took, ...(problem === undefined ? {} : { problem }) };
  return { probe: figures, assumptions, rates };
}

/** The GPUs of the servers that the probe starts, one at a time; undefined if it starts none. */
async function leaseGpus(
  deps: LocalDependencies,
  configuration: Configuration,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<GpuLease | undefined> {
  const counts = MODEL_ROLES.flatMap((role) => {
    const serving = servingOf(configuration, role);
    const driver = servingDriverOf(serving);
    return driver.needsMachine ? [driver.gpus(serving)] : [];
  });
  if (counts.length === 0) return undefined;
  const name = `probe ${randomUUID()}`;
  const use = {
    ...{ runName: name, command: 'the command plan', owner: name },
    purpose: `measures the models of ${configuration.runName}`,
    gpus: counts.includes(null) ? null : Math.max(...counts.map(Number)),
  };
  try {
    return await machineGpus(deps.environment).acquireForCommand(use, say, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function serveWith(
  deps: LocalDependencies,
  configuration: Configuration,
  servers: ReturnType<typeof createServerSupervisor>,
  { say, lease }: { readonly say: (line: string) => void; readonly lease: GpuLease | undefined },
): Serve {
  const owner = 'probe';
  const { runName } = configuration;
  let running: string | undefined;
  return async (role) => {
    const serving = servingOf(configuration, role);
    const { checkpoint } = modelOfRole(configuration, role);
    const found = checkpointPathOrId(await findCheckpoint(deps.store, deps.files, checkpoint));
    // Two models may not fit into the memory of the GPUs.
    if (running !== undefined && running !== checkpoint) await servers.stopServing(owner);
    if (servingDriverOf(serving).needsMachine && running !== checkpoint)
      say(`starting a server for ${checkpoint}`);
    running = checkpoint;
    const served = await servers.ensureServing({
      ...{ serving, checkpoint: found, runName, iteration: 0, owner },
      environment: lease?.environment ?? {},
    });
    return endpointsOf(served, served.model);
  };
}

async function sendAll(
  probe: RequestProbe,
  resolved: ResolvedConfiguration,
  source: EstimateSource,
  benchmarks: readonly SampledBenchmark[],
  serve: Serve,
): Promise<void> {
  const { judging, evaluation } = resolved.configuration;
  const pairs =
    source.kind === 'pairs'
      ? source.sample
      : await generatePairs(probe, resolved, source.sample, await serve('generator'));
  const samples = sampleBatches(judging.strategy, judging.samples)[0]?.end ?? 1;
  const { firstJudge, firstPlan } = promptKinds(resolved);
  if (firstPlan !== undefined)
    await probe.send(
      firstPlan,
      await serve('firstJudge'),
      pairs.map(firstPlan.render),
      judging.plan?.samples,
    );
  await probe.send(firstJudge, await serve('firstJudge'), pairs.map(firstJudge.render), samples);
  const sampling = judgeSampling(evaluation);
  const verdicts = { stage: 'evaluateJudge', sampling, answer: 'verdictTokens' } as const;
  const conversations = benchmarks.flatMap((benchmark) => benchmarkPrompts(benchmark, resolved.prompts));
  await probe.send(verdicts, await serve('seed'), conversations, evaluation.votes);
}

/** Sends all requests that the run makes before there are pairs. Returns the pairs that the answers make. */
async function generatePairs(
  probe: RequestProbe,
  resolved: ResolvedConfiguration,
  sample: readonly UserRequest[],
  generator: CompletionRequest['endpoints'],
): Promise<readonly PromptSubject[]> {
  const { construction, calls } = requireGeneration(resolved.configuration).pairs;
  const kinds = promptKinds(resolved);
  const pairsOf = (chosen: readonly string[], rejected: readonly string[]): PromptSubject[] =>
    sample.map((request, index) => ({
      ...request,
      chosen: chosen[index] ?? '',
      rejected: rejected[index] ?? '',
    }));
  const send = async (kind: PromptKind | undefined, subjects: readonly PromptSubject[]) =>
    kind === undefined
      ? { texts: [], meanTokens: 0 }
      : probe.send(kind, generator, subjects.map(kind.render));
  const requests = pairsOf([], []);
  await send(kinds.category, requests);
  await send(kinds.complexity, requests);
  const better = await send(kinds.respond, requests);
  const answered = pairsOf(better.texts, []);
  if (construction === 'worse-response')
    return pairsOf(better.texts, (await send(kinds.worse, answered)).texts);
  const similar = await send(kinds.similar, answered);
  // A response to another instruction has the length of a worse response.
  if (calls === 'two') return pairsOf(better.texts, better.texts.toReversed());
  probe.record('similarTokens', similar.meanTokens - better.meanTokens);
  const worse = similar.texts.map((text) => parseSimilarWithResponse(text)?.response ?? text);
  return pairsOf(better.texts, worse);
}

/** Sends requests, and measures lengths of answers and rates. */
class RequestProbe {
  readonly #client: InferenceClient;
  readonly #signal: AbortSignal;
  readonly #maxInFlight: number;
  readonly #marks: readonly ReasoningMarks[];
  readonly #stages = new Map<PromptKind['stage'], { readonly tokens: number; readonly seconds: number }>();
  requests = 0;
  readonly assumptions: Partial<Record<AssumptionName, Assumption>> = {};

  constructor(
    client: InferenceClient,
    signal: AbortSignal,
    maxInFlight: number,
    marks: readonly ReasoningMarks[],
  ) {
    this.#client = client;
    this.#signal = signal;
    this.#maxInFlight = maxInFlight;
    this.#marks = marks;
  }

  /** An endpoint that doesn't count tokens reports 0: then there is no rate. */
  get rates(): Rates {
    const measured = [...this.#stages].filter(([, { tokens }]) => tokens > 0);
    return Object.fromEntries(
      measured.map(([stage, { tokens, seconds }]) => [
        stage,
        { tokensPerSecond: tokens / seconds, from: 'probe' },
      ]),
    );
  }

  /**
   * Sends the first request alone, because the first of its kind is slow, and then all at once.
   * @returns the first sample of each answer without its reasoning, and the mean tokens of a sample
   */
  async send(
    { stage, sampling, answer }: Pick<PromptKind, 'stage' | 'sampling' | 'answer'>,
    endpoints: CompletionRequest['endpoints'],
    conversations: readonly Conversation[],
    samples = 1,
  ): Promise<{ readonly texts: string[]; readonly meanTokens: number }> {
    const complete = (messages: Conversation) =>
      this.#client.complete({
        endpoints,
        messages: [...messages],
        sampling,
        samples,
        seed: 1,
        signal: this.#signal,
      });
    const [first] = conversations;
    if (first === undefined) return { texts: [], meanTokens: 0 };
    await complete(first);
    const startedAt = performance.now();
    const completions = await Promise.all(conversations.slice(0, this.#maxInFlight).map(complete));
    const { tokens = 0, seconds = 0 } = this.#stages.get(stage) ?? {};
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const promptTokens = sum(completions.map(({ usage }) => usage.promptTokens));
    const completionTokens = sum(completions.map(({ usage }) => usage.completionTokens));
    this.#stages.set(stage, {
      tokens: tokens + promptTokens + completionTokens,
      seconds: seconds + (performance.now() - startedAt) / 1000,
    });
    this.requests += completions.length + 1;
    const meanTokens = completionTokens / Math.max(1, sum(completions.map(({ choices }) => choices.length)));
    if (answer !== undefined) this.record(answer, meanTokens);
    const texts = completions.map(({ choices: [choice] }) =>
      choice === undefined ? '' : answerOf(choice, this.#marks),
    );
    return { texts, meanTokens };
  }

  /** Ignores 0, which an endpoint reports that doesn't count tokens. */
  record(name: AssumptionName, tokens: number): void {
    if (tokens > 0) this.assumptions[name] = { value: tokens, from: 'probe' };
  }
}
