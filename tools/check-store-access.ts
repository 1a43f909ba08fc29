/**
 * Checks that the product speaks to the store by objects: only the files below, which hand folders to trainers, model
 * servers and other programs, may ask it for files or use its folder as a path.
 */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

const FILES_WITH_LOCAL_ACCESS: readonly string[] = [
  // What a trainer prints goes into a file.
  'models/training/start-log.ts',
  // Model servers are processes of this machine, which has files about them.
  'worker.ts',
  // Files that the store keeps on this machine may be an input.
  'worker/policy-guards.ts',
  // Model servers and the tokenizer read the files of a checkpoint.
  'runs/find-checkpoint.ts',
  // A checkpoint may be named by a path or a link into the store's folder.
  'runs/checkpoints-in-use.ts',
  'cli/judge/resolve-judge.ts',
  // What is made for use outside of the store: model folder, Parquet file, export, push to the hub.
  'activities/export-outputs.ts',
  'activities/push-outputs.ts',
  'reporting/exports/push-export.ts',
  'reporting/exports/export-folder.ts',
  // Sorts more rows than fit into memory.
  'datasets/collected-rows.ts',
  // Commands of the serving drivers name the store's folder.
  'cli/judge/judge-rows.ts',
  'estimate/probe.ts',
];

const ASKS_FOR_FILES = /\.(localFolder|withLocalFolder|localRecords)\(|\.localRoot\b/;
const NAMES_THE_PLACE = /\.locate\(|\bstore\.address\b/;
const USES_FILES = /from '(node:fs|node:fs\/promises|[./]*platform\/(file-system|atomic-write)\.ts)'/;

/** @param file below src, with `/` */
export function storeAccessProblem(file: string, text: string): string | undefined {
  if (file.startsWith('store/') || FILES_WITH_LOCAL_ACCESS.includes(file)) return undefined;
  if (ASKS_FOR_FILES.test(text)) return `src/${file} asks the store for files`;
  // In a message the place of an object may be named.
  const withoutMessages = text.replaceAll(/\$\{[^}]*\}/g, '');
  return USES_FILES.test(text) && NAMES_THE_PLACE.test(withoutMessages)
    ? `src/${file} uses the place of an object in the store as a path`
    : undefined;
}

async function main(): Promise<void> {
  const source = join(import.meta.dirname, '..', 'src');
  const problems: string[] = [];
  for await (const path of glob('**/*.ts', { cwd: source })) {
    const problem = storeAccessProblem(path.split(sep).join('/'), readFileSync(join(source, path), 'utf8'));
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length === 0) return;
  console.error(problems.join('\n'));
  console.error(
    'Use the store by objects (src/store/objects/object-store.ts), or name the file in tools/check-store-access.ts.',
  );
  process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
