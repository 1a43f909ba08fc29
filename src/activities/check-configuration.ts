import { randomUUID } from 'node:crypto';
import type { BenchmarkPrompts } from '../benchmarks/benchmark.ts';
import { BENCHMARK_FORMATS, type BenchmarkFormat, loadBenchmark } from '../benchmarks/registry.ts';
import { resolveInputPath } from '../platform/input-files.ts';
import { readPrompt } from '../runs/read-prompt.ts';
import type { Problem } from '../platform/problem.ts';
import { parseConfiguration } from '../config/parse-configuration.ts';
import type { TrainedConversation } from '../models/training/launchers/launcher.ts';
import type { PartialConfiguration } from '../config/run-configuration.ts';
import { checkInstructionFile } from '../datasets/read-instructions.ts';
import { checkTaskFile } from '../datasets/collect-records.ts';
import { checkPreferenceFile, type RequestedFormat } from '../datasets/read-preferences.ts';
import { benchmarkPrompts } from '../runs/benchmark-prompts.ts';
import { readBenchmarkPrompt } from '../runs/read-benchmark-prompt.ts';
import { markedConversations } from '../runs/marked-conversations.ts';
import { requiredPrompts } from '../runs/prompts.ts';
import type { CheckDependencies, Dependencies } from './dependencies.ts';
import { checkEntry } from '../datasets/data-files.ts';
import { publishingProblems } from '../policy/policy-problems.ts';
import { pushChecks } from './push-outputs.ts';
import { tryBucket } from './copy-to-bucket.ts';
import { TRIAL_PREFIX } from '../store/check-store.ts';

/**
 * The result of the first check of a configuration: the problems so far, and what the other roles need for their
 * checks.
 */
export interface CheckedConfiguration {
  readonly problems: readonly Problem[];
  /** The sections that are valid by themselves, defaults filled in. */
  readonly usable: PartialConfiguration;
  /** True if the run needs a worker with the role `gpu`. */
  readonly needsMachine: boolean;
  /** A file in the store that every role must see. */
  readonly storeProbe: string;
}

/** The same for a run. */
export interface CheckedRun extends CheckedConfiguration {
  /** Conversations with the run's prompts, which this worker can read. */
  readonly conversations: readonly TrainedConversation[];
}

/**
 * Checks everything that a worker with the role `workflow` can see: the fields, the prompts, the instruction pool, the
 * benchmarks and the store.
 */
export async function checkConfiguration(deps: Dependencies, input: unknown): Promise<CheckedRun> {
  const { usable, problems } = parseConfiguration(input);
  const storeProbe = newStoreProbe();
  const problemLists = await Promise.all([writeStoreProbe(deps, storeProbe), inputProblems(deps, usable)]);
  return {
    usable,
    needsMachine: true,
    storeProbe,
    conversations: await markedConversations(deps.files, usable),
    problems: [...problems, ...uniqueProblems(problemLists.flat())],
  };
}

/**
 * Lists the problems of the files that a configuration names, and of the repositories to which its outputs are to be
 * pushed.
 */
export async function inputProblems(
  deps: CheckDependencies,
  usable: PartialConfiguration,
): Promise<Problem[]> {
  const forbidden = publishingProblems(deps.policy, usable);
  const { publish, publishTo } = forbidden.length === 0 ? usable : {};
  const problemLists = await Promise.all([
    ...requiredPrompts(usable).map(({ path, folder, needed, absent }) =>
      collectProblem(path, () => readPrompt(deps.files, folder, needed, absent)),
    ),
    ...checkEvaluation(deps, usable),
    ...checkDataFiles(deps, usable),
    ...pushChecks(deps, publish).map(({ path, check }) => collectProblem(path, check)),
    collectProblem('publishTo', () => tryBucket(publishTo)),
  ]);
  return uniqueProblems([...forbidden, ...problemLists.flat()]);
}

/** Checks the files of instructions and of pairs. */
function checkDataFiles(
  deps: CheckDependencies,
  { instructions, pairs, filtering }: PartialConfiguration,
): Promise<Problem[]>[] {
  const provided = pairs?.kind === 'provided' ? pairs : undefined;
  const checkPairs = (path: string, entry: string, format: RequestedFormat, formatField: string) =>
    collectProblem(path, () =>
      checkEntry(deps, entry, (file) =>
        checkPreferenceFile(file, format, `name one of them in ${formatField}`),
      ),
    );
  return [
    ...(instructions?.pool ?? []).map((entry, index) =>
      collectProblem(`instructions.pool.${index}`, () =>
        checkEntry(deps, entry, (file) => checkInstructionFile(file, instructions?.format ?? 'auto')),
      ),
    ),
    ...(provided?.files ?? []).map((entry, index) =>
      checkPairs(`pairs.files.${index}`, entry, provided?.format ?? 'auto', 'pairs.format'),
    ),
    ...(pairs?.tasks ?? []).flatMap(({ task, files }, number) =>
      files.map((entry, index) =>
        collectProblem(`pairs.tasks.${number}.files.${index}`, () =>
          checkEntry(deps, entry, (file) => checkTaskFile(task, file)),
        ),
      ),
    ),
    ...(filtering?.humanData ?? []).map(({ path, format }, index) => {
      const field = `filtering.humanData.${index}`;
      return checkPairs(`${field}.path`, path, format, `${field}.format`);
    }),
  ];
}

/** Checks the benchmarks' files and prompts. */
export function checkEvaluation(
  deps: Pick<Dependencies, 'files'>,
  { evaluation }: PartialConfiguration,
): Promise<Problem[]>[] {
  if (evaluation === undefined) return [];
  return [
    benchmarkPrompts(evaluation).then(async (prompts) => {
      const checks = prompts.map(({ path, folder, needed }) =>
        collectProblem(path, () => readBenchmarkPrompt(deps.files, folder, needed)),
      );
      return (await Promise.all(checks)).flat();
    }),
    ...evaluation.benchmarks.map(({ format, path }, index) =>
      collectProblem(`evaluation.benchmarks.${index}.path`, () =>
        loadBenchmark(format).then((benchmark) => benchmark.read(resolveInputPath(deps.files, path))),
      ),
    ),
    ...evaluation.benchmarks.map(({ format, probabilities }, index) =>
      collectProblem(`evaluation.benchmarks.${index}.probabilities`, async () => {
        if (probabilities === true) requireLetters(format, (await loadBenchmark(format)).prompts);
      }),
    ),
  ];
}

/** Probabilities are read at the letter of a pair's verdict. Benchmarks with prompts of their own ask for verdicts of other forms. */
function requireLetters(format: BenchmarkFormat, { folder }: BenchmarkPrompts): void {
  if (folder === undefined) return;
  const pairwise = BENCHMARK_FORMATS.find((each) => each === `${format}-pairwise`);
  throw new Error(
    `the verdicts of ${JSON.stringify(format)} have a form of their own, but probabilities are read at [[A]] and [[B]]: leave the field out` +
      (pairwise === undefined ? '' : `, or use the format ${JSON.stringify(pairwise)}`),
  );
}

/** Removes duplicate problems: several benchmarks may use the same prompt. */
export function uniqueProblems(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.path}\n${problem.message}`, problem])).values()];
}

/** Runs a check. An error that it throws becomes a problem of the field at `path`. */
export async function collectProblem(path: string, check: () => unknown): Promise<Problem[]> {
  try {
    await check();
    return [];
  } catch (error) {
    return [{ path, message: error instanceof Error ? error.message : String(error) }];
  }
}

/** Makes the name of the file by which the other roles check that their store is the same. */
export function newStoreProbe(): string {
  return `${TRIAL_PREFIX}/${randomUUID()}`;
}

/** Writes the probe file to the store. */
export function writeStoreProbe(deps: Dependencies, storeProbe: string): Promise<Problem[]> {
  return collectProblem('store', () => deps.store.writeText(storeProbe, ''));
}

/** Checks that this worker sees the same store as the workflow role, and may write to it. */
export function checkStoreProbe(deps: Dependencies, storeProbe: string, role: string): Promise<Problem[]> {
  return collectProblem('store', async () => {
    if (!(await deps.store.exists(storeProbe))) {
      throw new Error(
        `the worker with role ${role} on ${deps.machine} does not see the store of the workflow role at ${deps.store.address}: ` +
          'set SELF_TAUGHT_EVALUATOR_STORE of every worker to the same shared folder or bucket',
      );
    }
    const probe = newStoreProbe();
    await deps.store.writeText(probe, '');
    await deps.store.objects.delete(probe);
  });
}
