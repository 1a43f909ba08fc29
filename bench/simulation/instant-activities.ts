/**
 * Every activity under its own name, answering at once with what the real one would answer in kind and size: for
 * measuring the workflows alone.
 */
import type {
  GpuActivities,
  InferenceActivities,
  MachineActivities,
  WorkflowActivities,
} from '../../src/activities/index.ts';
import { runUris, stageUri } from '../../src/activities/open-run.ts';
import { planOf } from '../../src/activities/plan-run.ts';
import type { EvaluationSummary, ShardInput, StageResult } from '../../src/activities/types.ts';
import type { ArtifactReference, Counts } from '../../src/artifacts/reference.ts';
import { generationOf } from '../../src/config/pair-source.ts';
import type { Configuration } from '../../src/config/schema.ts';
import { hashOf } from '../../src/judge/seeds.ts';

/** RewardBench's pairs: what an evaluation has to judge. */
const BENCHMARK_PAIRS = 2985;

export interface InstantActivities {
  readonly workflow: WorkflowActivities;
  readonly inference: InferenceActivities;
  readonly gpu: GpuActivities;
  readonly machine: MachineActivities;
}

const notSimulated = () => Promise.reject(new Error('not a part of the simulated run'));

/** The activities of a run of this configuration over so many instructions, on a machine with the given queue. */
export function createInstantActivities(
  configuration: Configuration,
  instructions: number,
  machineQueue: string,
): InstantActivities {
  const { runName, judging, evaluation } = configuration;
  const { instructions: pool } = generationOf(configuration);
  const shards = Math.ceil(instructions / pool.shardSize);

  const reference = (uri: string, records: number): ArtifactReference => ({
    uri,
    sha256: hashOf(uri),
    records,
    bytes: records * 170,
  });
  const result = (uri: string, records: number, counts: Counts): StageResult => ({
    artifact: reference(`${uri}/index`, records),
    counts,
    seconds: 0.1,
  });
  /** Of one shard, or of a stage's `count` shards. */
  const shardCounts = ({ stage, count }: { stage: string; count: number }): Counts => {
    const examples = 2 * pool.shardSize * count;
    const tokens = { promptTokens: 700 * examples, completionTokens: 400 * examples };
    if (stage !== 'judgePairs')
      return { pairs: pool.shardSize * count, 'dropped: equal responses': count, ...tokens };
    const judgments = examples * judging.samples;
    const right = Math.floor(judgments / 2);
    return {
      judgments,
      right,
      ties: 3 * count,
      noVerdict: count,
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
        Promise.resolve({ problems: [], usable: configuration, marker: '.preflight/instant' }),
      planRun: () => {
        const run = {
          runName,
          configuration: reference(`${runUris.configurations(runName)}/${hashOf(runName)}`, 1),
        };
        return Promise.resolve({
          kind: 'planned',
          plan: planOf(configuration, run, []),
          configuration,
          reportAddress: `file:///store/${runUris.report(runName)}`,
          warnings: [],
        });
      },
      awaitRun: notSimulated,
      addHumanPairs: notSimulated,
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
          result(runUris.pool(runName), shards, { rows: instructions, instructions, setAside: 0 }),
        ),
      selectInstructions: () =>
        Promise.resolve(result(runUris.selected(runName), shards, { selected: instructions })),
      completeStage: ({ stage, iteration, benchmark, shards: count }) => {
        const { seconds: _, ...index } = result(
          stageUri(stage, runName, iteration, benchmark),
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
      restoreConfiguration: notSimulated,
      writeReport: () => Promise.resolve({ report: runUris.report(runName), damage: [] }),
      exportOutputs: () => Promise.resolve(),
      publishOutputs: notSimulated,
      readBudget: notSimulated,
      setBudget: notSimulated,
      finishRun: () => Promise.resolve(runUris.result(runName)),
    },
    inference: {
      preflightInference: () => Promise.resolve([]),
      categorizeInstructions: work('categorizeInstructions'),
      generatePairs: work('generatePairs'),
      judgePairs: work('judgePairs'),
      evaluateBenchmark: work('evaluateBenchmark'),
      compareResponses: notSimulated,
    },
    gpu: {
      preflightGpu: () => Promise.resolve([]),
      claimMachine: () => Promise.resolve({ queue: machineQueue }),
    },
    machine: {
      identifyModel: ({ role }) => Promise.resolve({ checkpoint: `models/${role}`, sha256: hashOf(role) }),
      serveModel: ({ model, iteration }) =>
        Promise.resolve({
          ...model,
          baseUrl: 'http://127.0.0.1:8000/v1',
          servedName: `${runName}-${iteration}`,
        }),
      stopServing: () => Promise.resolve(),
      stopTraining: notSimulated,
      fineTune: ({ iteration }) => {
        const checkpoint = `store:${runUris.training(runName, iteration)}/model`;
        return Promise.resolve({
          model: { checkpoint, sha256: hashOf(checkpoint) },
          counts: { steps: 1000, tokens: 12_345_678, truncated: 3 },
          meanLoss: 0.6123456789012345,
          seconds: 3600.123,
        });
      },
    },
  };
}
