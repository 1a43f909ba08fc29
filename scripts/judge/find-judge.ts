/** Which judge `--model` means: where its checkpoint or its endpoint is, and how it is asked. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { judgeFileOfRun } from '../../src/activities/find-judge-file.ts';
import { identified } from '../../src/activities/models.ts';
import { runUris, type ResolvedConfiguration } from '../../src/activities/open-run.ts';
import { judgeOfRun, type RunJudge } from '../../src/activities/trained-judge.ts';
import { type ArtifactStore, referenceTo } from '../../src/artifacts/store.ts';
import { checkpointArgument, findCheckpoint } from '../../src/config/checkpoint.ts';
import type { InputFiles } from '../../src/config/input-files.ts';
import type { JudgeFile } from '../../src/contract/judge-file.ts';
import { readJudgeFile, readJudgeOf } from '../../src/judging/judge-file.ts';
import type { ServingDriver } from '../../src/serving/drivers.ts';
import { readResult } from '../../src/training/model-damage.ts';
import { CommandError } from '../cli/command-error.ts';
import { drivenByCommand, usualDriver } from './usual-driver.ts';

/** What the options say about the judge. */
export interface JudgeChoice {
  readonly model: string;
  /** Instead of the `judge.json` of the checkpoint. */
  readonly judge?: string | undefined;
  readonly servedName?: string | undefined;
  readonly apiKeyVariable?: string | undefined;
  /** A command that serves the checkpoint, in one text. */
  readonly serve?: string | undefined;
}

export interface FoundJudge {
  /** For people. */
  readonly name: string;
  /** What its verdicts are known by; where it is served is no part of it. */
  readonly identity: string;
  readonly judge: JudgeFile;
  readonly served: {
    readonly driver: ServingDriver;
    readonly checkpoint: string;
    readonly runName: string;
    readonly iteration: number;
  };
}

/** @throws CommandError; JudgeFileMissing, JudgeFileInvalid */
export async function findJudge(
  store: ArtifactStore,
  files: InputFiles,
  choice: JudgeChoice,
): Promise<FoundJudge> {
  const { model } = choice;
  if (/^https?:\/\//.test(model)) return atEndpoint(choice);
  const isNamedForNothing = choice.servedName !== undefined && choice.serve === undefined;
  if (isNamedForNothing || choice.apiKeyVariable !== undefined)
    throw new CommandError(
      'usage',
      `--served-name and --api-key-variable belong to the URL of an endpoint, and --model is ${JSON.stringify(model)}: ` +
        'leave them out, or name the URL.',
    );
  const folder = resolve(model);
  const isReference = model.startsWith('run:');
  if (!isReference && existsSync(join(folder, 'config.json'))) return inFolder(store, files, choice, folder);
  const run = isReference ? await judgeNamed(store, model) : await judgeOfRunNamed(store, model, folder);
  return ofRun(store, files, choice, run);
}

/** @throws JudgeFileMissing, JudgeFileInvalid, CommandError */
async function atEndpoint({
  model,
  judge,
  servedName,
  apiKeyVariable,
  serve,
}: JudgeChoice): Promise<FoundJudge> {
  if (serve !== undefined)
    throw new CommandError('usage', `--serve starts a server, and ${model} is one already: leave it out.`);
  if (judge === undefined || servedName === undefined)
    throw new CommandError(
      'usage',
      `An endpoint doesn't tell how its judge is asked: name judge.json of the checkpoint by --judge, and the model's name ` +
        `at ${model} by --served-name.`,
    );
  return {
    name: servedName,
    identity: servedName,
    judge: await readJudgeFile(resolve(judge)),
    served: {
      driver: { kind: 'endpoint', baseUrl: model, servedName: '{checkpoint}', apiKeyVariable },
      checkpoint: servedName,
      runName: '',
      iteration: 0,
    },
  };
}

async function inFolder(
  store: ArtifactStore,
  files: InputFiles,
  choice: JudgeChoice,
  folder: string,
): Promise<FoundJudge> {
  const judge =
    choice.judge === undefined ? await readJudgeOf(folder) : await readJudgeFile(resolve(choice.judge));
  // A checkpoint of a run is served as the run says.
  const inStore = relative(store.root, folder).split(sep)[0] ?? '..';
  const configured = inStore === '..' ? undefined : await servingOf(store, inStore);
  return {
    name: folder,
    // Another judge may lie there tomorrow.
    identity: (await identified({ store, files }, folder)).sha256,
    judge,
    served: {
      driver: drivenByCommand(choice.serve, choice.servedName) ?? configured ?? usualDriver(folder),
      checkpoint: folder,
      runName: judge.run,
      iteration: judge.iteration,
    },
  };
}

async function ofRun(
  store: ArtifactStore,
  files: InputFiles,
  choice: JudgeChoice,
  { run, iteration, checkpoint }: RunJudge,
): Promise<FoundJudge> {
  const place = findCheckpoint(store, files, checkpoint);
  const argument = checkpointArgument(place);
  const driver =
    drivenByCommand(choice.serve, choice.servedName) ??
    (await servingOf(store, run)) ??
    usualDriver(argument);
  const result = iteration > 0 ? await readResult(store.path(runUris.training(run, iteration))) : undefined;
  return {
    name: `M_${iteration} of ${run}`,
    identity: `${checkpoint} ${result?.model.sha256 ?? ''}`.trim(),
    judge:
      choice.judge === undefined
        ? await judgeFileOfRun(store, run, iteration)
        : await readJudgeFile(resolve(choice.judge)),
    served: { driver, checkpoint: argument, runName: run, iteration },
  };
}

async function judgeNamed(store: ArtifactStore, model: string): Promise<RunJudge> {
  try {
    const judge = await judgeOfRun(store, model);
    if (judge !== undefined) return judge;
  } catch (error) {
    throw new CommandError(
      'not-found',
      `--model ${model}: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  throw new CommandError('usage', `--model ${model} names no judge of a run.`);
}

/** A run by its bare name: its best judge so far, or before there is one the newest. */
async function judgeOfRunNamed(store: ArtifactStore, name: string, folder: string): Promise<RunJudge> {
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name) || !existsSync(store.path(name)))
    throw new CommandError(
      'not-found',
      `--model ${name} is neither a run of the store ${store.root}, nor a checkpoint (there is no ${join(folder, 'config.json')}), ` +
        `nor the URL of an endpoint. ${await runsThere(store)}`,
    );
  return judgeNamed(store, `run:${name}/best`).catch(() => judgeNamed(store, `run:${name}/newest`));
}

async function runsThere({ root }: ArtifactStore): Promise<string> {
  const names = await readdir(root).catch(() => []);
  const runs = names.filter((name) => existsSync(join(root, name, 'configurations'))).sort();
  if (runs.length === 0) return 'That store has no runs; SELF_TAUGHT_EVALUATOR_STORE names another.';
  const more = runs.length > 10 ? ` and ${runs.length - 10} more` : '';
  return `Its runs: ${runs.slice(0, 10).join(', ')}${more}. SELF_TAUGHT_EVALUATOR_STORE names another store.`;
}

/** How a run serves the judges that it trains, by what it was started with last. */
async function servingOf(store: ArtifactStore, run: string): Promise<ServingDriver | undefined> {
  const uri = runUris.configurations(run);
  const names = await readdir(store.path(uri)).catch(() => []);
  const manifests = await Promise.all(names.map((name) => store.manifest(`${uri}/${basename(name)}`)));
  const newest = manifests
    .filter((manifest) => manifest !== undefined)
    .sort((a, b) => (a.madeAt < b.madeAt ? 1 : -1))[0];
  if (newest === undefined) return undefined;
  const [resolved] = await store.records<ResolvedConfiguration>(referenceTo(newest));
  return resolved?.configuration.models.seed.serving ?? resolved?.configuration.serving;
}
