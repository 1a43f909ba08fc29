/**
 * Replacements for all activities that return results of realistic form and size immediately, for measuring the workflows alone.
 */
import type {
  GpuActivities,
  InferenceActivities,
  PinnedWorkerActivities,
  WorkflowActivities,
} from '../../src/activities/index.ts';
import { runUris, stageUri } from '../../src/runs/run-layout.ts';
import { toRunPlan } from '../../src/activities/plan-run.ts';
import type { ShardInput, StageResult } from '../../src/api/activity-types.ts';
import type { EvaluationSummary } from '../../src/api/result.ts';
import type { ArtifactReference, Counts } from '../../src/store/artifact.ts';
import { requireGeneration } from '../../src/config/pair-source.ts';
import type { Configuration } from '../../src/config/run-configuration.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';

/** The number of pairs in RewardBench, which an evaluation judges. */
const BENCHMARK_PAIRS = 2985;

export interface InstantActivities {
  readonly workflow: WorkflowActivities;
  readonly inference: InferenceActivities;
  readonly gpu: GpuActivities;
  readonly machine: PinnedWorkerActivities;
}

const notSimulated = () => Promise.reject(new Error('not a part of the simulated run'));

/** The activities of a run of this configuration over so many instructions, on a machine with the given queue. */
export function createInstantActivities(
  configuration: Configuration,
  instructions: number,
  machineQueue: string,
): InstantActivities {
  const { runName, judging, evaluation } = configuration;
  const { instructions: pool } = requireGeneration(configuration);
  const shards = Math.ceil(instructions / pool.shardSize);

  const reference = (uri: string, records: number): ArtifactReference => ({
    uri,
    sha256: stableHash(uri),
    records,
    bytes: records * 170,
  });
  const result = (uri: string, records: number, counts: Counts): StageResult => ({
    artifact: reference(`${uri}/index`, records),
    counts,
    seconds: 0.1,
  });
  /** Counts of one shard, or of `count` shards of a stage. */
  const shardCounts = ({ stage, count }: { stage: string; count: number }): Counts => {
    const examples = 2 * pool.shardSize * count;
    const tokens = { promptTokens: 700 * examples, completionTokens: 400 * examples };
    if (stage !== 'judgePairs')
      return { pairs: pool.shardSize * count, 'dropped: equal responses': count, ...tokens };
    const judgments = examples * judging.samples;
    const correctJudgments = Math.floor(judgments / 2);
    return {
      judgments,
      correctJudgments,
      ties: 3 * count,
      unparsableJudgments: count,
      'failed: content filter': count,
      ...tokens,
    };
  };
  const work = (stage: string) => (_input: ShardInput) =>
    Promise.resolve({ counts: shardCounts({ stage, count: 1 }) });
  const scores = (name: string, iteration: number): EvaluationSummary => ({
    benchmark: name,
    purpose: evaluation.benchmarks.find((benchmark) => benchmark.name === name)?.purpose ?? 'test',
    accuracy: 0.8123456789012345 + iteration / 1000,
    positionConsistentAccuracy: 0.7123456789012345,
    shareOfA: 0.5123456789012345,
    unparsable: 0.0123456789012345,
    pairs: BENCHMARK_PAIRS,
    scores: reference(runUris.scores(runName, iteration, name), 1),
  });

  return {
    workflow: {
      checkConfiguration: () =>
        Promise.resolve({
          ...{ problems: [], usable: configuration, needsMachine: true },
          storeProbe: '.preflight/instant',
          conversations: [],
        }),
      planRun: () => {
        const run = {
          runName,
          configuration: reference(`${runUris.configurations(runName)}/${stableHash(runName)}`, 1),
        };
        return Promise.resolve({
          kind: 'planned',
          plan: toRunPlan(configuration, run, []),
          configuration,
          reportUrl: `file:///store/${runUris.report(runName)}`,
          warnings: [],
        });
      },
      awaitRun: notSimulated,
      addHumanPairs: notSimulated,
      prepareTasks: notSimulated,
      preparePairs: notSimulated,
      checkJudgeEvaluation: notSimulated,
      planJudgeEvaluation: notSimulated,
      checkPairsJudging: notSimulated,
      planPairsJudging: notSimulated,
      awaitPairsJudging: notSimulated,
      preparePairsToJudge: notSimulated,
      finishPairsJudging: notSimulated,
      awaitEvaluation: notSimulated,
      finishJudgeEvaluation: notSimulated,
      preparePool: () =>
        Promise.resolve(
          result(runUris.pool(runName), shards, { rows: instructions, instructions, skipped: 0 }),
        ),
      selectInstructions: () =>
        Promise.resolve(result(runUris.selected(runName), shards, { selected: instructions })),
      completeStage: ({ stage, iteration, benchmark, shards: count }) => {
        const { seconds: _, ...index } = result(
          stageUri(stage, runName, { iteration, ...(benchmark === undefined ? {} : { benchmark }) }),
          count,
          shardCounts({ stage, count }),
        );
        return Promise.resolve(index);
      },
      filterJudgments: ({ iteration }) =>
        Promise.resolve(
          result(runUris.trainingSet(runName, iteration), instructions, {
            examples: 2 * instructions,
            kept: instructions,
            trainingExamples: instructions,
          }),
        ),
      prepareBenchmark: ({ benchmark }) => {
        const uri = runUris.benchmark(runName, benchmark);
        const records = Math.ceil(BENCHMARK_PAIRS / evaluation.shardSize);
        return Promise.resolve({ ...result(uri, records, { pairs: BENCHMARK_PAIRS }), warnings: [] });
      },
      scoreBenchmark: ({ benchmark, iteration }) => Promise.resolve(scores(benchmark, iteration)),
      calibrateJudge: notSimulated,
      restoreConfiguration: notSimulated,
      writeReport: () => Promise.resolve({ report: runUris.report(runName), damage: [] }),
      exportOutputs: () => Promise.resolve(),
      pushOutputs: notSimulated,
      copyToBucket: notSimulated,
      readBudget: notSimulated,
      setBudget: notSimulated,
      writeRunResult: () => Promise.resolve(runUris.result(runName)),
      stopTraining: notSimulated,
    },
    inference: {
      preflightInference: () => Promise.resolve([]),
      categorizeInstructions: work('categorizeInstructions'),
      generatePairs: work('generatePairs'),
      planJudgments: work('planJudgments'),
      judgePairs: work('judgePairs'),
      evaluateBenchmark: work('evaluateBenchmark'),
      compareResponses: notSimulated,
    },
    gpu: {
      preflightGpu: () => Promise.resolve([]),
      pinWorker: () => Promise.resolve({ queue: machineQueue, gpus: 0 }),
    },
    machine: {
      resolveModel: ({ role }) => Promise.resolve({ checkpoint: `models/${role}`, sha256: stableHash(role) }),
      serveModel: ({ model, iteration }) =>
        Promise.resolve({
          ...model,
          baseUrl: 'http://127.0.0.1:8000/v1',
          servedModelName: `${runName}-${iteration}`,
        }),
      watchServer: notSimulated,
      selectCheckpoint: notSimulated,
      stopServing: () => Promise.resolve(),
      stopTraining: notSimulated,
      fineTune: ({ iteration }) => {
        const checkpoint = `store:${runUris.training(runName, iteration)}/model`;
        return Promise.resolve({
          model: { checkpoint, sha256: stableHash(checkpoint) },
          counts: { steps: 1000, tokens: 12_345_678, truncated: 3 },
          meanLoss: 0.6123456789012345,
          seconds: 3600.123,
        });
      },
    },
  };
}
