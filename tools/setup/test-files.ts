import { globSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * The test files that `npm test` leaves out, so that it ends within ten minutes on two cores: most do whole runs with real
 * trainings, again and again, and take half a minute of processor time or more. `npm run test:all` runs them too.
 */
const SLOW_TESTS = [
  // The embedded example, killed in the middle of each stage, and 8 kills of every part.
  'test/chaos/chaos.test.ts',
  'test/end-to-end/bucket.test.ts',
  'test/end-to-end/embedded.test.ts',
  'test/end-to-end/kubernetes.test.ts',
  'test/end-to-end/recipes.test.ts',
  'test/end-to-end/select-checkpoint.test.ts',
  'test/end-to-end/slurm.test.ts',
  // A live worker under attack.
  'test/policy/attacks.test.ts',
  // Hundreds of hostile configurations, with and without a policy.
  'test/policy/fuzz.test.ts',
  // Services in TypeScript, Python and Go, each installed first, and the documents with their commands.
  'test/docs/running.test.ts',
  'test/docs/services.test.ts',
  'test/examples/examples.test.ts',
  // Trainings that are stopped, killed and resumed, and jobs of Slurm.
  'test/models/serving/drivers/slurm.test.ts',
  'test/models/serving/drivers/vllm-lora.test.ts',
  'test/models/training/bucket-faults.test.ts',
  'test/activities/fine-tune-in-bucket.test.ts',
  'test/models/training/bucket.test.ts',
  'test/models/training/bucket-training.test.ts',
  'test/models/training/candidates.test.ts',
  'test/models/training/grpo.test.ts',
  'test/models/training/hostile-checkpoint.test.ts',
  'test/models/training/methods.test.ts',
  'test/models/training/several-machines.test.ts',
  'test/models/training/kubernetes.test.ts',
  'test/models/training/real-kubernetes.test.ts',
  'test/models/training/slurm.test.ts',
  'test/models/training/surroundings.test.ts',
  'test/models/training/templates.test.ts',
  'test/models/training/launchers/slurm.test.ts',
  'test/models/training/launchers/slurm-accounts.test.ts',
  'test/models/training/trackers.test.ts',
  'test/models/training/training-faults.test.ts',
  // Runs that are controlled, damaged, reset, published, or stopped by a budget or an endpoint, and workers of several builds.
  'test/cli/hostile-text.test.ts',
  'test/cli/doctor/slurm.test.ts',
  'test/cli/start-judging.test.ts',
  'test/cli/runs/bucket-commands.test.ts',
  'test/cli/control/control.test.ts',
  'test/workflows/budget.test.ts',
  'test/workflows/cancel-without-worker.test.ts',
  'test/workflows/control.test.ts',
  'test/workflows/endpoint-outage.test.ts',
  'test/workflows/failure-contents.test.ts',
  'test/workflows/gpu-lease.test.ts',
  'test/workflows/judge-drift.test.ts',
  'test/workflows/overlap-served.test.ts',
  'test/workflows/own-data.test.ts',
  'test/workflows/plans.test.ts',
  'test/workflows/publish.test.ts',
  'test/workflows/recover.test.ts',
  'test/workflows/run-in-bucket.test.ts',
  'test/workflows/trained-tasks.test.ts',
  'test/workflows/select-checkpoint.test.ts',
  'test/workflows/served-adapters.test.ts',
  'test/workflows/served-on-machines.test.ts',
  'test/workflows/server-starts.test.ts',
  'test/workflows/shard-hand-over.test.ts',
  'test/workflows/waits.test.ts',
  'test/workflows/worker-versioning.test.ts',
  // A store of several runs and all that is done with it; runs beside their plans; servers that demand certificates.
  'test/estimate/own-data.test.ts',
  'test/cli/runs/runs.test.ts',
  'test/temporal/guarded.test.ts',
  // Runs with encrypted payloads, one with a training, and workers that lack the key.
  'test/temporal/encryption.test.ts',
  // Two teams, each with its worker; hundreds of shards, one after the other.
  'test/temporal/teams.test.ts',
  'test/workflows/fairness.test.ts',
];

/** Mocha's parser of its command line. Unlike mocha's `loadOptions`, it throws at an invalid option instead of ending the process. */
const { parseMochaArgs } = createRequire(import.meta.url)('mocha/lib/cli/parse-args.js') as {
  readonly parseMochaArgs: (args: readonly string[]) => {
    readonly _: readonly string[];
    readonly spec?: readonly string[];
  };
};

const root = join(import.meta.dirname, '..', '..');

export type Selection = 'quick' | 'slow' | 'all';

/**
 * The test files of a selection, as paths in the checkout. Long ones come first, so that none of them runs alone in the end:
 * the slow ones in the order of their list, and of the others the last by name, which are those of workflows.
 */
export function testFiles(selection: Selection): string[] {
  const all = globSync('test/**/*.test.ts', { cwd: root }).sort().toReversed();
  const missing = SLOW_TESTS.filter((file) => !all.includes(file));
  if (missing.length > 0)
    throw new Error(`${import.meta.filename} names tests that do not exist: ${missing.join(', ')}`);
  const quick = all.filter((file) => !SLOW_TESTS.includes(file));
  return { slow: [...SLOW_TESTS], quick, all: [...SLOW_TESTS, ...quick] }[selection];
}

/**
 * Whether arguments of mocha name test files. The value of an option, such as FILE in `--require FILE`, does not.
 * @throws Error if mocha would reject the arguments
 */
export function namesTestFiles(args: readonly string[]): boolean {
  const { _: files, spec = [] } = parseMochaArgs(args);
  return files.length + spec.length > 0;
}
