import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { readPrompt, resolveInput } from '../config/input-files.ts';
import { readConfiguration, type Problem } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import { checkPoolFile } from '../pools/read-pool-file.ts';
import { checkPreferenceFile, type WantedLayout } from '../preferences/read-preferences.ts';
import { benchmarkPrompts } from './benchmark-prompts.ts';
import type { Dependencies, LocalDependencies } from './dependencies.ts';
import { checkEntry } from './data-files.ts';
import { publishChecks } from './publish-outputs.ts';

/** What is known of a configuration before any work: the problems so far, and what the other roles can check. */
export interface CheckedConfiguration {
  readonly problems: readonly Problem[];
  /** The sections that are valid by themselves, defaults filled in. */
  readonly usable: Partial<Configuration>;
  /** A file in the store that every role must see. */
  readonly marker: string;
}

/** Checks what the workflow role can see: the fields, the prompts, the instruction pool, the benchmarks, the store. */
export async function checkConfiguration(deps: Dependencies, input: unknown): Promise<CheckedConfiguration> {
  const { usable, problems } = readConfiguration(input);
  const marker = newMarker();
  const found = await Promise.all([checkStore(deps, marker), inputProblems(deps, usable)]);
  return { usable, marker, problems: [...problems, ...uniqueProblems(found.flat())] };
}

/** What is wrong with the files that a configuration names, and with where its outputs are to be pushed. */
export async function inputProblems(
  deps: LocalDependencies,
  usable: Partial<Configuration>,
): Promise<Problem[]> {
  const found = await Promise.all([
    ...neededPrompts(usable).map(({ path, folder, needed }) =>
      attemptTo(path, () => readPrompt(deps.files, folder, needed)),
    ),
    ...checkEvaluation(deps, usable),
    ...checkRows(deps, usable),
    ...publishChecks(deps, usable.publish).map(({ path, check }) => attemptTo(path, check)),
  ]);
  return uniqueProblems(found.flat());
}

/** Checks the files of instructions and of pairs. */
function checkRows(
  deps: LocalDependencies,
  { instructions, pairs, filtering }: Partial<Configuration>,
): Promise<Problem[]>[] {
  const given = pairs?.kind === 'given' ? pairs : undefined;
  const checkPairs = (path: string, entry: string, layout: WantedLayout, layoutField: string) =>
    attemptTo(path, () =>
      checkEntry(deps, entry, (file) =>
        checkPreferenceFile(file, layout, `name one of them in ${layoutField}`),
      ),
    );
  return [
    ...(instructions?.pool ?? []).map((entry, index) =>
      attemptTo(`instructions.pool.${index}`, () =>
        checkEntry(deps, entry, (file) => checkPoolFile(file, instructions?.layout ?? 'auto')),
      ),
    ),
    ...(given?.files ?? []).map((entry, index) =>
      checkPairs(`pairs.files.${index}`, entry, given?.layout ?? 'auto', 'pairs.layout'),
    ),
    ...(filtering?.humanData ?? []).map(({ path, layout }, index) => {
      const field = `filtering.humanData.${index}`;
      return checkPairs(`${field}.path`, path, layout, `${field}.layout`);
    }),
  ];
}

/** Checks the benchmarks' files and prompts. */
export function checkEvaluation(
  deps: Pick<Dependencies, 'files'>,
  { evaluation }: Partial<Configuration>,
): Promise<Problem[]>[] {
  if (evaluation === undefined) return [];
  return [
    ...benchmarkPrompts(evaluation).map(({ path, folder, needed }) =>
      attemptTo(path, () => readPrompt(deps.files, folder, needed)),
    ),
    ...evaluation.benchmarks.map(({ format, path }, index) =>
      attemptTo(`evaluation.benchmarks.${index}.path`, () =>
        benchmarkOf(format).read(resolveInput(deps.files, path)),
      ),
    ),
  ];
}

/** Each problem once: several benchmarks may ask with one prompt. */
export function uniqueProblems(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.path}\n${problem.message}`, problem])).values()];
}

/** A prompt that the configuration names, and the placeholders that it must have. */
export function neededPrompts(usable: Partial<Configuration>) {
  const judge = ['instruction', 'responseA', 'responseB'];
  const { instructions, pairs, judging, filtering } = usable;
  const made = pairs?.kind === 'generated' ? pairs : undefined;
  return [
    {
      path: 'instructions.categories.prompt',
      folder: instructions?.categories?.prompt,
      needed: ['instruction', 'categories'],
    },
    {
      path: 'instructions.complexity.prompt',
      folder: instructions?.complexity?.prompt,
      needed: ['instruction'],
    },
    { path: 'pairs.respondPrompt', folder: made?.respondPrompt, needed: ['instruction'] },
    made?.construction === 'worse-response'
      ? { path: 'pairs.worsePrompt', folder: made.worsePrompt, needed: ['instruction', 'response'] }
      : {
          path: 'pairs.similarPrompt',
          folder: made?.similarPrompt,
          needed: made?.calls === 'one' ? ['instruction', 'response'] : ['instruction'],
        },
    { path: 'judging.prompt', folder: judging?.prompt, needed: judge },
    { path: 'filtering.trainingPrompt', folder: filtering?.trainingPrompt, needed: judge },
  ].filter((prompt): prompt is typeof prompt & { folder: string } => prompt.folder !== undefined);
}

/** Runs a check; what it throws is the problem of the field at `path`. */
export async function attemptTo(path: string, check: () => unknown): Promise<Problem[]> {
  try {
    await check();
    return [];
  } catch (error) {
    return [{ path, message: error instanceof Error ? error.message : String(error) }];
  }
}

/** The name of a file by which the other roles see whether their store is the same. */
export function newMarker(): string {
  return `.preflight/${randomUUID()}`;
}

/** Puts the marker into the store. */
export function checkStore(deps: Dependencies, marker: string): Promise<Problem[]> {
  return attemptTo('store', async () => {
    await mkdir(deps.store.path('.preflight'), { recursive: true });
    await writeFile(deps.store.path(marker), '');
  });
}

/** Checks that this worker sees the same store as the workflow role, and may write to it. */
export function checkSharedStore(deps: Dependencies, marker: string, role: string): Promise<Problem[]> {
  return attemptTo('store', async () => {
    if (!existsSync(deps.store.path(marker))) {
      throw new Error(
        `the worker with role ${role} on ${hostname()} does not see the store of the workflow role at ${deps.store.root}: ` +
          'set SELF_TAUGHT_EVALUATOR_STORE of every worker to the same shared folder',
      );
    }
    await access(join(deps.store.root), constants.W_OK);
  });
}
