import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from '../../src/platform/lock-file.mjs';
import { packageRoot } from '../../src/platform/package-root.ts';

export const clientFolder = join(packageRoot, 'packages/client');
const modules = join(packageRoot, 'node_modules');
const run = promisify(execFile);

/**
 * Builds the client package, packs it as for a registry and unpacks it into `<folder>/node_modules`, together with its
 * dependencies and nothing else.
 * @param beside further packages, which a program depends on itself
 */
export async function installClient(folder: string, beside: readonly string[] = []): Promise<string> {
  // Two test files may need it at the same time.
  const { stdout } = await withLock(join(modules, '.pack-client.lock'), async () => {
    // The files of an earlier build must not be packed.
    await rm(join(clientFolder, 'dist'), { recursive: true, force: true });
    await typeCheck(join(packageRoot, 'tsconfig.client.json'));
    return run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: clientFolder });
  });
  const installed = join(folder, 'node_modules/self-taught-evaluator-client');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, stdout.trim()), '--strip-components=1', '-C', installed]);
  await mkdir(join(folder, 'node_modules/@temporalio'));
  for (const name of ['@temporalio/client', '@temporalio/proto', 'undici', 'zod', ...beside])
    await symlink(join(modules, name), join(folder, 'node_modules', name));
  return installed;
}

/** Runs TypeScript on a project, and fails with its errors. */
export async function typeCheck(project: string): Promise<void> {
  await run(process.execPath, [join(modules, 'typescript/bin/tsc'), '--project', project]).catch(
    (error: { stdout: string }) => {
      throw new Error(`${project}: ${error.stdout}`);
    },
  );
}

/**
 * Every module that a file loads when it is imported, itself included: files by path, packages by name. Dynamic imports
 * of code are not followed; those of a declaration file are types.
 */
export function importGraph(entry: string, found = new Set<string>()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  const staticImports = /^(?:(?:import|export)\b[^'"]*\bfrom|import)\s*['"]([^'"]+)['"]/gm;
  const typeImports = /(?:\bfrom|\bimport|\bimport\()\s*['"]([^'"]+)['"]/g;
  const specifiers = readFileSync(entry, 'utf8').matchAll(
    entry.endsWith('.d.ts') ? typeImports : staticImports,
  );
  for (const [, specifier = ''] of specifiers) {
    if (!specifier.startsWith('.')) found.add(specifier);
    else importGraph(resolve(entry, '..', declared(entry, specifier)), found);
  }
  return found;
}

/** Whether a file of code imports a module when it runs. */
export function hasDynamicImport(file: string): boolean {
  return /\b(?:import|require)\(/.test(readFileSync(file, 'utf8'));
}

/** A declaration file names the sources that it was made from. */
function declared(entry: string, specifier: string): string {
  return entry.endsWith('.d.ts') ? specifier.replace(/\.ts$/, '.d.ts') : specifier;
}
