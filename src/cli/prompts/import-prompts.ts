import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { FOLLOW_UP_FILE, readBenchmarkPrompt } from '../../runs/read-benchmark-prompt.ts';
import { type ImportedFrom, PROMPT_SOURCE_FILE, promptTextHash } from '../../runs/prompt-source.ts';
import { oneLine } from '../../platform/shown-text.ts';
import { CommandError } from '../core/command-error.ts';
import { printResult } from '../core/output.ts';
import { cloneCommit } from './clone-commit.ts';
import { type ImportedPrompt, OFFICIAL_REPOSITORIES, type OfficialPrompt } from './official-prompts.ts';
import { UnexpectedPrompt } from './official-template.ts';

interface FoundPrompt {
  readonly repository: string;
  readonly prompt: OfficialPrompt;
  readonly clone: string;
}

interface WrittenPrompt {
  readonly folder: string;
  readonly repository: string;
  readonly commit: string | null;
  readonly files: ImportedFrom['files'];
}

/** Fills prompt folders from clones of official repositories. */
export async function importPrompts({
  clones,
  out,
  json,
}: {
  readonly clones: string;
  readonly out: string;
  readonly json: boolean;
}): Promise<void> {
  const found = await findPrompts(resolve(clones));
  // All are read before one is written.
  const read = await Promise.all(found.map(async (one) => ({ ...one, ...(await readOfficial(one)) })));
  for (const { prompt } of read) await requireUnchanged(join(out, prompt.folder));
  const written: WrittenPrompt[] = [];
  for (const { prompt, template, from } of read) {
    const folder = join(out, prompt.folder);
    await writePrompt(folder, template, from).catch((error: unknown) => {
      throw new CommandError('failed', `${folder} can't be written: ${(error as Error).message}`, { cause: error });
    });
    const { repository, commit = null, files } = from;
    written.push({ folder, repository, commit, files });
  }
  const missing = OFFICIAL_REPOSITORIES.map(({ name }) => name).filter((name) =>
    written.every(({ repository }) => repository !== name),
  );
  printResult(json, { written, missing }, () => importedText(written, missing, out));
}

function importedText(written: readonly WrittenPrompt[], missing: readonly string[], out: string): string {
  const lines = written.map(
    ({ folder, repository, commit }) =>
      `${oneLine(folder)}  ${repository}${commit === null ? '' : ` at ${commit.slice(0, 12)}`}`,
  );
  const example = written[0]?.folder ?? out;
  return [
    ...lines,
    ...(missing.length === 0 ? [] : ['', `Not found: ${missing.join(', ')}.`]),
    '',
    `Name a benchmark's folder in its field prompt, such as "prompt": ${oneLine(JSON.stringify(promptField(example, out)))}; the report then says where its prompt comes from.`,
  ].join('\n');
}

/** The folder of a benchmark's prompts, which may be in subfolders. */
function promptField(folder: string, out: string): string {
  return join(out, relative(out, folder).split(/[\\/]/)[0] ?? '');
}

/** Finds the official repositories: the folder itself, or the folders in it, however they are named. */
async function findPrompts(folder: string): Promise<FoundPrompt[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new CommandError('usage', `${folder} can't be read: ${(error as Error).message}`, { cause: error });
  });
  const inside = await Promise.all(
    entries.map(async ({ name }) => ((await stat(join(folder, name)).catch(() => undefined))?.isDirectory() ? [name] : [])),
  );
  const folders = [folder, ...inside.flat().sort().map((name) => join(folder, name))];
  const found = OFFICIAL_REPOSITORIES.flatMap(({ name: repository, prompts }) => {
    const isIn = (clone: string) => ({ files }: OfficialPrompt) => files.every((file) => existsSync(join(clone, file)));
    const clonesOfIt = folders.filter((clone) => prompts.some(isIn(clone)));
    const [clone, other] = clonesOfIt;
    if (clone === undefined) return [];
    if (other !== undefined)
      throw new CommandError('usage', `both ${clone} and ${other} are clones of ${repository}; name one of them.`);
    return prompts.filter(isIn(clone)).map((prompt) => ({ repository, prompt, clone }));
  });
  if (found.length > 0) return found;
  throw new CommandError(
    'usage',
    `${folder} is no clone of a repository with official prompts, and contains none: ${OFFICIAL_REPOSITORIES.map(({ name }) => name).join(', ')}.`,
  );
}

async function readOfficial({ repository, prompt, clone }: FoundPrompt) {
  const contents = await Promise.all(prompt.files.map((file) => readOfficialFile(join(clone, file))));
  const files = prompt.files.map((path, index) => ({
    path,
    sha256: createHash('sha256').update(contents[index] ?? '').digest('hex'),
  }));
  try {
    const template = prompt.read(...contents.map((content) => content.toString('utf8').replaceAll('\r\n', '\n')));
    const commit = await cloneCommit(clone);
    const from: ImportedFrom = {
      repository,
      ...(commit === undefined ? {} : { commit }),
      files,
      text: promptTextHash(template),
    };
    return { template, from };
  } catch (error) {
    if (!(error instanceof UnexpectedPrompt) && !(error instanceof SyntaxError)) throw error;
    const where = prompt.files.map((file) => join(clone, file)).join(', ');
    throw new CommandError(
      'failed',
      `${where}: ${error.message}, so ${prompt.folder} can't be imported, and nothing is written: the file is damaged, or the repository has changed since this command was made.`,
      { cause: error },
    );
  }
}

async function readOfficialFile(file: string): Promise<Buffer> {
  return readFile(file).catch((error: unknown) => {
    throw new CommandError('usage', `${file} can't be read: ${(error as Error).message}`, { cause: error });
  });
}

/** Refuses to replace a folder that is not an import, or was changed after it. */
async function requireUnchanged(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const { source } = await readBenchmarkPrompt({ roots: ['/'] }, resolve(folder), []).catch(() => ({ source: undefined }));
  if (source?.kind === 'imported' && !source.isChanged) return;
  throw new CommandError(
    'usage',
    `${folder} exists, and is not an unchanged import; delete it, or give another folder with --out.`,
  );
}

async function writePrompt(folder: string, { system, user, followUp }: ImportedPrompt, from: ImportedFrom): Promise<void> {
  await mkdir(folder, { recursive: true });
  // A prompt's last newline is the file's.
  const texts = { 'system.txt': system, 'user.txt': user, [FOLLOW_UP_FILE]: followUp };
  for (const [file, text] of Object.entries(texts))
    await (text === undefined
      ? rm(join(folder, file), { force: true })
      : writeFile(join(folder, file), `${text}\n`));
  await writeFile(join(folder, PROMPT_SOURCE_FILE), `${JSON.stringify(from, undefined, 2)}\n`);
}
