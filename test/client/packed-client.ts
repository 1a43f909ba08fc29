import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const packageRoot = resolve(import.meta.dirname, '../..');
export const clientFolder = join(packageRoot, 'packages/client');
const modules = join(packageRoot, 'node_modules');
const run = promisify(execFile);

/**
 * Builds the client package, packs it as for a registry and unpacks it into `<folder>/node_modules`, beside nothing but
 * @temporalio/client and zod.
 * @param beside packages that a program has itself
 */
export async function installClient(folder: string, beside: readonly string[] = []): Promise<string> {
  // What an earlier build has left isn't packed.
  await rm(join(clientFolder, 'dist'), { recursive: true, force: true });
  await typeCheck(join(packageRoot, 'tsconfig.client.json'));
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: clientFolder,
  });
  const installed = join(folder, 'node_modules/self-taught-evaluator-client');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, stdout.trim()), '--strip-components=1', '-C', installed]);
  await mkdir(join(folder, 'node_modules/@temporalio'));
  for (const name of ['@temporalio/client', 'zod', ...beside])
    await symlink(join(modules, name), join(folder, 'node_modules', name));
  return installed;
}

/** Runs TypeScript on a project; fails with what it finds. */
export async function typeCheck(project: string): Promise<void> {
  await run(process.execPath, [join(modules, 'typescript/bin/tsc'), '--project', project]).catch(
    (error: { stdout: string }) => {
      throw new Error(`${project}: ${error.stdout}`);
    },
  );
}

/** Every module that a file leads to, by import or export, of code or types: files by path, others by name. */
export function importGraph(entry: string, found = new Set<string>()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  const specifiers = readFileSync(entry, 'utf8').matchAll(
    /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"]([^'"]+)['"]/g,
  );
  for (const [, specifier = ''] of specifiers) {
    if (!specifier.startsWith('.')) found.add(specifier);
    else importGraph(resolve(entry, '..', declared(entry, specifier)), found);
  }
  return found;
}

/** A declaration file names the sources that it was made from. */
function declared(entry: string, specifier: string): string {
  return entry.endsWith('.d.ts') ? specifier.replace(/\.ts$/, '.d.ts') : specifier;
}
