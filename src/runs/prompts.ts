import { join } from 'node:path';
import { z } from 'zod';
import { teachesVerdictsAlone } from '../config/fine-tuning.ts';
import type { Configuration, PartialConfiguration } from '../config/run-configuration.ts';
import { trainedPromptFolder } from '../config/trained-tasks.ts';
import {
  TASK_NAMES,
  taskPrompts,
  type TaskName,
  type TaskPrompt,
  type TaskPrompts,
} from '../method/tasks.ts';
import type { Fingerprint } from '../store/artifact.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';
import type { Round } from '../models/training/recipes/registry.ts';
import { taskPromptFolder } from '../models/training/recipes/grpo-tasks.ts';
import type { PromptTemplate } from '../method/prompt-template.ts';
import type { InputFiles } from '../platform/input-files.ts';
import {
  evaluationPromptsSchema,
  readBenchmarkPrompts,
  type EvaluationPrompts,
} from './benchmark-prompts.ts';
import { promptTemplateSchema, readPrompt } from './read-prompt.ts';

/** The prompts of a run, as text. */
export interface Prompts {
  readonly category: PromptTemplate | null;
  readonly complexity: PromptTemplate | null;
  /** Null if the pairs are provided. */
  readonly respond: PromptTemplate | null;
  /** For pairs made from a similar instruction; null for other pairs. */
  readonly similar: PromptTemplate | null;
  /** For pairs whose worse response the model is prompted for; null for other pairs. */
  readonly worse: PromptTemplate | null;
  /** For pairs with a limit, by the folders that limits name; missing if none does. */
  readonly limits?: Readonly<Record<string, PromptTemplate>>;
  /** For plans, and for judgments that follow one; missing without plans. */
  readonly plan?: PromptTemplate;
  readonly execution?: PromptTemplate;
  readonly judge: PromptTemplate;
  readonly training: PromptTemplate;
  /** The prompts of the tasks beyond pairs that judges learn; missing if they learn none. */
  readonly trainedTasks?: Readonly<Partial<Record<TaskName, TaskPrompts>>>;
  /** The prompts for verdicts alone, by the folders that rounds name; missing if none does. */
  readonly direct?: Readonly<Record<string, PromptTemplate>>;
  /** The prompts of tasks, by the folders that rounds name; missing if none does. */
  readonly tasks?: Readonly<Record<string, PromptTemplate>>;
  readonly evaluation: EvaluationPrompts;
}

const taskPromptsSchema = z.strictObject({ plain: promptTemplateSchema, reference: promptTemplateSchema });

/** The prompts of a run as they are stored. */
export const promptsSchema: z.ZodType<Prompts> = z.strictObject({
  category: promptTemplateSchema.nullable(),
  complexity: promptTemplateSchema.nullable(),
  respond: promptTemplateSchema.nullable(),
  similar: promptTemplateSchema.nullable(),
  worse: promptTemplateSchema.nullable(),
  limits: z.record(z.string(), promptTemplateSchema).exactOptional(),
  plan: promptTemplateSchema.exactOptional(),
  execution: promptTemplateSchema.exactOptional(),
  judge: promptTemplateSchema,
  training: promptTemplateSchema,
  trainedTasks: z.partialRecord(z.enum(TASK_NAMES), taskPromptsSchema).exactOptional(),
  direct: z.record(z.string(), promptTemplateSchema).exactOptional(),
  tasks: z.record(z.string(), promptTemplateSchema).exactOptional(),
  evaluation: evaluationPromptsSchema,
});

/** A prompt that a configuration names. */
interface RequiredPrompt {
  /** The path of the field that names its folder. */
  readonly path: string;
  readonly folder: string;
  /** The placeholders that it must have. */
  readonly needed: readonly string[];
  /** The placeholders of other prompts that it must not have. */
  readonly absent?: readonly string[];
}

/** The prompts that a configuration names, each with the placeholders that it must have. */
export function requiredPrompts(usable: PartialConfiguration): RequiredPrompt[] {
  const judge = ['instruction', 'responseA', 'responseB'];
  const { instructions, pairs, judging, filtering } = usable;
  const generated = pairs?.kind === 'generated' ? pairs : undefined;
  const prompts: (Omit<RequiredPrompt, 'folder'> & { readonly folder: string | undefined })[] = [
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
    { path: 'pairs.respondPrompt', folder: generated?.respondPrompt, needed: ['instruction'] },
    generated?.construction === 'worse-response'
      ? { path: 'pairs.worsePrompt', folder: generated.worsePrompt, needed: ['instruction', 'response'] }
      : {
          path: 'pairs.similarPrompt',
          folder: generated?.similarPrompt,
          needed: generated?.calls === 'one' ? ['instruction', 'response'] : ['instruction'],
        },
    ...(pairs?.limits ?? []).map(({ prompt }, index) => ({
      path: `pairs.limits.${index}.prompt`,
      folder: prompt,
      needed: ['limit', 'instruction'],
    })),
    { path: 'judging.prompt', folder: judging?.prompt, needed: judge, absent: ['plan'] },
    {
      path: 'judging.plan.prompt',
      folder: judging?.plan?.prompt,
      needed: ['instruction'],
      absent: ['responseA', 'responseB', 'plan'],
    },
    {
      path: 'judging.plan.executionPrompt',
      folder: judging?.plan?.executionPrompt,
      needed: [...judge, 'plan'],
    },
    {
      path: 'filtering.trainingPrompt',
      folder: filtering?.trainingPrompt,
      needed: judge,
      absent: ['plan'],
    },
    ...(pairs?.tasks ?? []).flatMap((trained, index) =>
      Object.entries(taskPrompts(trained.task)).map(([name, needed]) => ({
        path: `pairs.tasks.${index}.prompt`,
        folder: join(trainedPromptFolder(trained), name),
        needed,
      })),
    ),
    ...(usable.fineTuning?.rounds ?? []).map((round, index) => ({
      path: `fineTuning.rounds.${index}.direct.prompt`,
      folder: directFolderOf(round),
      needed: judge,
      absent: ['plan'],
    })),
    ...(usable.fineTuning?.rounds ?? []).flatMap((round, index) =>
      taskFoldersOf(round).map((task, number) => ({
        path: `fineTuning.rounds.${index}.tasks.${number}.prompt`,
        ...task,
      })),
    ),
  ];
  return prompts.filter((prompt): prompt is RequiredPrompt => prompt.folder !== undefined);
}

/** Reads the text of every prompt that a configuration names. */
export async function readPrompts(
  { files }: { readonly files: InputFiles },
  configuration: Configuration,
): Promise<Prompts> {
  const byPath = new Map<string, PromptTemplate>();
  for (const { path, folder, needed, absent } of requiredPrompts(configuration)) {
    byPath.set(path, await readPrompt(files, folder, needed, absent));
  }
  const prompt = (path: string): PromptTemplate => {
    const found = byPath.get(path);
    if (found === undefined) throw new Error(`${path} was not read`);
    return found;
  };
  return {
    category: byPath.get('instructions.categories.prompt') ?? null,
    complexity: byPath.get('instructions.complexity.prompt') ?? null,
    respond: byPath.get('pairs.respondPrompt') ?? null,
    similar: byPath.get('pairs.similarPrompt') ?? null,
    worse: byPath.get('pairs.worsePrompt') ?? null,
    ...limitPrompts(configuration, prompt),
    judge: prompt('judging.prompt'),
    ...(configuration.judging.plan === undefined
      ? {}
      : { plan: prompt('judging.plan.prompt'), execution: prompt('judging.plan.executionPrompt') }),
    ...directPrompts(configuration, prompt),
    ...roundTaskPrompts(configuration, prompt),
    training: byPath.get('filtering.trainingPrompt') ?? prompt('judging.prompt'),
    ...(await readTrainedTasks(files, configuration)),
    evaluation: await readBenchmarkPrompts({ files }, configuration.evaluation),
  };
}

async function readTrainedTasks(
  files: InputFiles,
  { pairs: { tasks } }: Configuration,
): Promise<Pick<Prompts, 'trainedTasks'>> {
  const read: Partial<Record<TaskName, TaskPrompts>> = {};
  for (const trained of tasks) {
    const needed = taskPrompts(trained.task);
    const promptIn = (name: TaskPrompt) =>
      readPrompt(files, join(trainedPromptFolder(trained), name), needed[name]);
    read[trained.task] = { plain: await promptIn('plain'), reference: await promptIn('reference') };
  }
  return tasks.length === 0 ? {} : { trainedTasks: read };
}

/** The prompts of a task that a run learns. */
export function trainedTaskPrompts(
  { trainedTasks }: Pick<Prompts, 'trainedTasks'>,
  task: TaskName,
): TaskPrompts {
  const found = trainedTasks?.[task];
  if (found === undefined) throw new Error(`the prompts of the task ${task} were not read`);
  return found;
}

/** The prompts of learned tasks as an input of fingerprints; none if there are none. */
export function trainedTaskInputs({ trainedTasks }: Pick<Prompts, 'trainedTasks'>): Fingerprint {
  return trainedTasks === undefined ? {} : { trainedTaskPrompts: stableHash(canonicalJson(trainedTasks)) };
}

function limitPrompts({ pairs: { limits } }: Configuration, prompt: (path: string) => PromptTemplate) {
  if (limits.length === 0) return {};
  const named = limits.map(({ prompt: folder }, index) => [folder, prompt(`pairs.limits.${index}.prompt`)]);
  return { limits: Object.fromEntries(named) as Record<string, PromptTemplate> };
}

function directPrompts({ fineTuning: { rounds } }: Configuration, prompt: (path: string) => PromptTemplate) {
  const direct = rounds.flatMap((round, index) => {
    const folder = directFolderOf(round);
    return folder === undefined
      ? []
      : [[folder, prompt(`fineTuning.rounds.${index}.direct.prompt`)] as const];
  });
  return direct.length === 0 ? {} : { direct: Object.fromEntries(direct) };
}

/** The prompt with which a round teaches verdicts alone, if it does. */
export function directPromptOf(
  { direct }: Pick<Prompts, 'direct'>,
  round: Round,
): PromptTemplate | undefined {
  const folder = directFolderOf(round);
  if (folder === undefined) return undefined;
  const found = direct?.[folder];
  if (found === undefined) throw new Error(`the prompt ${folder} of a round was not read`);
  return found;
}

/** The prompt with which the judge of a round is asked: that of the training, or, if it has learned verdicts alone, that for them. */
export function trainedPromptOf(prompts: Pick<Prompts, 'training' | 'direct'>, round: Round): PromptTemplate {
  const direct = teachesVerdictsAlone(round) ? directPromptOf(prompts, round) : undefined;
  return direct ?? prompts.training;
}

function roundTaskPrompts(
  { fineTuning: { rounds } }: Configuration,
  prompt: (path: string) => PromptTemplate,
) {
  const named = rounds.flatMap((round, index) =>
    taskFoldersOf(round).flatMap(({ folder }, number) =>
      folder === undefined
        ? []
        : [[folder, prompt(`fineTuning.rounds.${index}.tasks.${number}.prompt`)] as const],
    ),
  );
  return named.length === 0 ? {} : { tasks: Object.fromEntries(named) };
}

/** The prompts of a round's tasks by folder; undefined if it has none of its own. */
export function taskPromptsOf(
  { tasks = {} }: Pick<Prompts, 'tasks'>,
  round: Round,
): Readonly<Record<string, PromptTemplate>> | undefined {
  const folders = new Set(taskFoldersOf(round).map(({ folder }) => folder));
  const found = Object.entries(tasks).filter(([folder]) => folders.has(folder));
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function taskFoldersOf(round: Round) {
  return 'tasks' in round ? (round.tasks ?? []).map(taskPromptFolder) : [];
}

function directFolderOf(round: Round): string | undefined {
  return 'direct' in round ? round.direct?.prompt : undefined;
}
