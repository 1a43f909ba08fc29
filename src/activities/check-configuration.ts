import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { benchmarkOf } from '../benchmarks/registry.ts';
import { readRows } from '../benchmarks/read-rows.ts';
import { readPrompt, resolveInput } from '../config/input-files.ts';
import { readConfiguration, type Problem } from '../config/read-configuration.ts';
import type { Configuration } from '../config/schema.ts';
import { PREFERENCE_COLUMNS } from '../judge/human-preferences.ts';
import { benchmarkPrompts } from './benchmark-prompts.ts';
import type { Dependencies } from './dependencies.ts';
import { checkPoolEntry } from './pool-files.ts';
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
  const [store, inputs] = await Promise.all([checkStore(deps, marker), checkInputs(deps, usable)]);
  return { usable, marker, problems: [...problems, ...uniqueProblems([...store, ...inputs])] };
}

/** What the checks look at: the files, and the keys for the hub. */
export type InputDependencies = Pick<Dependencies, 'files' | 'environment'>;

/** Checks what a configuration names: the prompts, the instruction pool, the benchmarks, human data, the hub. Changes nothing. */
export async function checkInputs(
  deps: InputDependencies,
  usable: Partial<Configuration>,
): Promise<Problem[]> {
  const found = await Promise.all([
    ...neededPrompts(usable).map(({ path, folder, needed }) =>
      attemptTo(path, () => readPrompt(deps.files, folder, needed)),
    ),
    ...checkEvaluation(deps, usable),
    ...(usable.instructions?.pool ?? []).map((entry, index) =>
      attemptTo(`instructions.pool.${index}`, () =>
        checkPoolEntry(deps, entry, usable.instructions?.layout ?? 'auto'),
      ),
    ),
    ...(usable.filtering?.humanData ?? []).map(({ path, layout }, index) =>
      attemptTo(`filtering.humanData.${index}.path`, async () => {
        const rows = readRows(resolveInput(deps.files, path), { columns: [...PREFERENCE_COLUMNS[layout]] });
        for await (const _row of rows) break;
      }),
    ),
    ...publishChecks(deps, usable.publish).map(({ path, check }) => attemptTo(path, check)),
  ]);
  return uniqueProblems(found.flat());
}

/** Checks the benchmarks' files and prompts. */
export function checkEvaluation(
  deps: InputDependencies,
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
    { path: 'pairs.respondPrompt', folder: pairs?.respondPrompt, needed: ['instruction'] },
    pairs?.construction === 'worse-response'
      ? { path: 'pairs.worsePrompt', folder: pairs.worsePrompt, needed: ['instruction', 'response'] }
      : {
          path: 'pairs.similarPrompt',
          folder: pairs?.similarPrompt,
          needed: pairs?.calls === 'one' ? ['instruction', 'response'] : ['instruction'],
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
