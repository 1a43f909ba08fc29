/** The names and fingerprints that stored runs and running workflows depend on; `npm run freeze` records them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { categorizationFingerprintInputs } from '../../src/activities/categorize-instructions.ts';
import { humanPairsFingerprints } from '../../src/activities/add-human-pairs.ts';
import type { Dependencies } from '../../src/activities/dependencies.ts';
import { evaluationFingerprintInputs } from '../../src/activities/evaluate-benchmark.ts';
import { trainingSetFingerprint } from '../../src/activities/filter-judgments.ts';
import { trainingFingerprint } from '../../src/activities/training-fingerprint.ts';
import { pairGenerationFingerprintInputs } from '../../src/activities/generate-pairs.ts';
import {
  createGpuActivities,
  createInferenceActivities,
  createPinnedWorkerActivities,
  createWorkflowActivities,
} from '../../src/activities/index.ts';
import { judgmentFingerprintInputs } from '../../src/activities/judge-pairs.ts';
import { planFingerprintInputs } from '../../src/activities/plan-judgments.ts';
import { providedPairsFingerprint } from '../../src/activities/prepare-pairs.ts';
import { poolFingerprint } from '../../src/activities/prepare-pool.ts';
import { shardFingerprint } from '../../src/activities/process-shard.ts';
import { selectionFingerprint } from '../../src/activities/select-instructions.ts';
import { RUN_STATUSES } from '../../src/api/run-status.ts';
import { STAGES } from '../../src/api/stages.ts';
import {
  CHILD_WORKFLOW_TYPES,
  FAILURES,
  NON_RETRYABLE_FAILURES,
  QUERIES,
  SIGNALS,
  UPDATES,
  WORKFLOW_TYPES,
} from '../../src/api/temporal-names.ts';
import { detectConfigurationKind } from '../../src/config/configuration-kind.ts';
import {
  judgeEvaluationFingerprintInputs,
  pairsJudgingFingerprintInputs,
  runFingerprintInputs,
} from '../../src/config/fingerprint-inputs.ts';
import {
  parseConfiguration,
  parseJudgeEvaluation,
  parsePairsJudging,
  type ParsedConfiguration,
} from '../../src/config/parse-configuration.ts';
import type { Configuration } from '../../src/config/run-configuration.ts';
import { canonicalJson } from '../../src/platform/canonical-json.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { stableHash } from '../../src/platform/stable-hash.ts';
import { readBenchmarkPrompts } from '../../src/runs/benchmark-prompts.ts';
import { readPrompts } from '../../src/runs/prompts.ts';

export const FREEZE_FOLDER = join(packageRoot, 'test', 'freeze');
const INPUTS = join(packageRoot, 'temporal', 'inputs');
const files = { roots: [packageRoot] };

/** What histories and other programs name. */
export function frozenNames() {
  // Activities are created, not called.
  const deps = {} as Dependencies;
  const activities = {
    workflow: createWorkflowActivities(deps),
    inference: createInferenceActivities(deps),
    gpu: createGpuActivities(deps),
    pinnedWorker: createPinnedWorkerActivities(deps),
  };
  return {
    workflows: [...Object.values(WORKFLOW_TYPES), ...Object.values(CHILD_WORKFLOW_TYPES)].sort(),
    activities: Object.fromEntries(
      Object.entries(activities).map(([role, created]) => [role, Object.keys(created).sort()]),
    ),
    queries: Object.values(QUERIES).sort(),
    signals: Object.values(SIGNALS).sort(),
    updates: Object.values(UPDATES).sort(),
    nonRetryableFailures: NON_RETRYABLE_FAILURES.toSorted(),
    failures: Object.values(FAILURES).sort(),
    stages: STAGES.toSorted(),
    runStatuses: RUN_STATUSES.toSorted(),
  };
}

/** A hash of each stage's fingerprint by file of temporal/inputs and stage. Inputs of a stage have made-up hashes. */
export async function frozenFingerprints(): Promise<Record<string, Record<string, string>>> {
  const found: Record<string, Record<string, string>> = {};
  for (const file of readdirSync(INPUTS).sort()) {
    const fingerprints = await fingerprintsOf(JSON.parse(readFileSync(join(INPUTS, file), 'utf8')) as object);
    found[file] = Object.fromEntries(
      Object.entries(fingerprints).map(([stage, fingerprint]) => [
        stage,
        stableHash(canonicalJson(fingerprint)),
      ]),
    );
  }
  return found;
}

async function fingerprintsOf(input: object): Promise<Record<string, unknown>> {
  switch (detectConfigurationKind(input)) {
    case 'run':
      return runFingerprints(valid(parseConfiguration(input)));
    case 'evaluation': {
      const configuration = valid(parseJudgeEvaluation(input));
      const prompts = { evaluation: await readBenchmarkPrompts({ files }, configuration.evaluation) };
      const resolved = {
        configuration: { ...configuration, models: { seed: { checkpoint: 'm' } } },
        prompts,
      };
      return {
        evaluation: judgeEvaluationFingerprintInputs(configuration),
        ...benchmarkFingerprints(resolved),
      };
    }
    case 'judging':
      return { judging: pairsJudgingFingerprintInputs(valid(parsePairsJudging(input))) };
  }
}

function benchmarkFingerprints(resolved: Parameters<typeof evaluationFingerprintInputs>[0]) {
  return Object.fromEntries(
    resolved.configuration.evaluation.benchmarks.map(({ name }) => [
      `evaluateBenchmark ${name}`,
      shardFingerprint(
        resolved.configuration,
        madeUp('model'),
        madeUp('benchmark'),
        evaluationFingerprintInputs(resolved, name),
      ),
    ]),
  );
}

async function runFingerprints(configuration: Configuration): Promise<Record<string, unknown>> {
  const resolved = { configuration, prompts: await readPrompts({ files }, configuration) };
  const shard = (inputs: Parameters<typeof shardFingerprint>[3]) =>
    shardFingerprint(configuration, madeUp('model'), madeUp('input'), inputs);
  const benchmarks = [{ name: 'validation', pairs: madeUp('benchmark') }];
  const { pairs, instructions, filtering, iterations } = configuration;
  const prepared =
    pairs.kind === 'provided'
      ? { preparePairs: providedPairsFingerprint(resolved, ['file'], benchmarks) }
      : {
          preparePool: poolFingerprint(configuration, ['file'], benchmarks),
          ...((instructions?.categories ?? instructions?.complexity ?? null) === null
            ? {}
            : { categorizeInstructions: shard(categorizationFingerprintInputs(resolved)) }),
          selectInstructions: selectionFingerprint(configuration, madeUp('pool')),
          generatePairs: shard(pairGenerationFingerprintInputs(resolved)),
          addHumanPairs: humanPairsFingerprints(
            configuration,
            filtering.humanData.map(() => ['file']),
            benchmarks,
            madeUp('pairs'),
          ),
        };
  const hashes = { pairs: madeUp('pairs'), judgments: madeUp('judgments') };
  const training = { base: madeUp('base'), trainingSet: madeUp('training set') };
  return {
    run: runFingerprintInputs(configuration),
    ...prepared,
    ...(configuration.judging.plan === undefined
      ? { judgePairs: shard(judgmentFingerprintInputs(configuration, resolved.prompts, 1)) }
      : {
          planJudgments: shard(planFingerprintInputs(configuration, resolved.prompts, 1)),
          judgePairs: shard(judgmentFingerprintInputs(configuration, resolved.prompts, 1, madeUp('plans'))),
        }),
    ...Object.fromEntries(
      Array.from({ length: iterations }, (_, index) => index + 1).flatMap((iteration) => [
        [`filterJudgments ${iteration}`, trainingSetFingerprint(resolved, iteration, hashes)],
        [`fineTune ${iteration}`, trainingFingerprint(configuration, { iteration, ...training })],
      ]),
    ),
    ...benchmarkFingerprints(resolved),
  };
}

/** A reference to an artifact that does not exist. */
function madeUp(name: string) {
  return { uri: name, sha256: stableHash(name), records: 1, bytes: 1 };
}

function valid<Whole>({ configuration, problems }: ParsedConfiguration<Whole>): Whole {
  if (configuration === undefined) throw new Error(JSON.stringify(problems));
  return configuration;
}
