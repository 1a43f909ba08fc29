import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** A package that a lock file pins. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
}

export interface NpmPackage extends LockedPackage {
  /** Its folder below the checkout. */
  readonly path: string;
  /** The field `license` of its package.json. */
  readonly license: string | undefined;
  /** True if only development needs it. */
  readonly dev: boolean;
}

export interface PythonPackage extends LockedPackage {
  /** The accepted SHA-256 of its files, one for each platform and version of Python. */
  readonly sha256: readonly string[];
}

/** The files, without their ending `.txt`, that pin Python packages with hashes. The first two are the environment of the product. */
export const PYTHON_LOCKS = [
  'trainer/requirements',
  'trainer/uv-requirements',
  'trainer/vllm-requirements',
  'examples/python/requirements',
  'examples/smollm2/requirements',
] as const;

/** The packages of package-lock.json. */
export function npmPackages(): NpmPackage[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; license?: string; dev?: boolean }>;
  };
  return Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, { version, license, dev = false }]) => ({
      name: path.replace(/^.*node_modules\//, ''),
      version,
      path,
      license,
      dev,
    }));
}

/** The packages that a lock file of Python pins. */
export function pythonPackages(lock: (typeof PYTHON_LOCKS)[number]): PythonPackage[] {
  const entries = readFileSync(join(root, `${lock}.txt`), 'utf8').split(/^(?=[a-z0-9])/m);
  return entries.flatMap((entry) => {
    const [, name, version] = /^([\w.-]+)==([^\s;]+)/.exec(entry) ?? [];
    if (name === undefined || version === undefined) return [];
    return [
      { name, version, sha256: [...entry.matchAll(/--hash=sha256:(\w+)/g)].map(([, hash = '']) => hash) },
    ];
  });
}

/**
 * The licence of a package, an SPDX expression. If its metadata did not say so, somebody has looked into it, and `evidence`
 * says where it is written.
 */
export type Licence = string | { readonly licence: string; readonly evidence: string };

/** By `name@version` for npm (only packages that were looked into), by `name==version` for Python (all locked packages). */
export type Licences = Readonly<Record<string, Licence>>;

export function readLicences(ecosystem: 'npm' | 'python'): Licences {
  return JSON.parse(readFileSync(join(import.meta.dirname, `${ecosystem}.json`), 'utf8')) as Licences;
}

/** The SPDX expression of a licence. */
export function expressionOf(licence: Licence | undefined): string | undefined {
  return typeof licence === 'object' ? licence.licence : licence;
}
