/**
 * Checks the licence of every package that package-lock.json and the lock files of Python pin. It reads only files of the
 * checkout: npm's lock file has the licences of its packages, `npm run lock:python` writes those of Python's.
 */
import { pathToFileURL } from 'node:url';
import {
  expressionOf,
  npmPackages,
  PYTHON_LOCKS,
  pythonPackages,
  readLicences,
  type Licences,
  type LockedPackage,
  type NpmPackage,
} from './licences/locked-packages.ts';

/** SPDX identifiers that let the product be used, changed and sold by anybody. */
const ACCEPTED = new Set([
  ...[
    '0BSD',
    'Apache-2.0',
    'BlueOak-1.0.0',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'BSL-1.0',
    'CC-BY-4.0',
    'CC0-1.0',
  ],
  ...[
    'CNRI-Python',
    'ISC',
    'LLVM-exception',
    'MIT',
    'MIT-0',
    'MIT-CMU',
    'MPL-2.0',
    'PSF-2.0',
    'Unlicense',
    'Zlib',
  ],
  // Covers the packages with CUDA's libraries, which PyTorch and vLLM need on NVIDIA's GPUs and which are not part of this package.
  'LicenseRef-NVIDIA-Proprietary',
]);

/** Licences that are accepted of one package only. Neither package is part of the product: its users install them from their authors. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  // A need of vLLM. The LGPL lets any program use the library, which stays unchanged, in a folder of its own, and replaceable.
  ['pycountry', 'LGPL-2.1-only'],
  // A need of vLLM. The licence is BSD's with the duty to mark changed files, and nothing is changed; parts have others like BSD's.
  ['supervisor', 'LicenseRef-Repoze'],
]);
const DENIED = /^(A?GPL|SSPL|BUSL|CC-BY-NC|UNLICENSED$)/;

/** Why the package of this name may not be used under this SPDX expression; undefined if it may. All parts of the expression must be accepted. */
export function licenceProblem(expression: string | undefined, name = ''): string | undefined {
  if (expression === undefined || expression === '') return 'has no licence';
  const identifiers = expression.split(/[\s()]+/).filter((word) => !/^(AND|OR|WITH)?$/.test(word));
  const denied = identifiers.find((identifier) => DENIED.test(identifier));
  if (denied !== undefined) return `has the licence "${expression}", and ${denied} is denied`;
  const isAccepted = (identifier: string) => ACCEPTED.has(identifier) || EXCEPTIONS.get(name) === identifier;
  return identifiers.every(isAccepted)
    ? undefined
    : `has the licence "${expression}", which nobody has looked at`;
}

/** The problems of npm's packages. */
export function npmProblems(packages: readonly NpmPackage[], lookedInto: Licences): string[] {
  const names = new Set(packages.map(({ name, version }) => `${name}@${version}`));
  return [
    ...packages.flatMap(({ name, version, license }) => {
      const problem = licenceProblem(expressionOf(lookedInto[`${name}@${version}`]) ?? license, name);
      return problem === undefined ? [] : [`${name}@${version} of package-lock.json ${problem}`];
    }),
    ...Object.keys(lookedInto)
      .filter((name) => !names.has(name))
      .map((name) => `tools/licences/npm.json has ${name}, which package-lock.json has not`),
  ];
}

/** The problems of Python's packages. */
export function pythonProblems(packages: readonly LockedPackage[], licences: Licences): string[] {
  const names = new Set(packages.map(({ name, version }) => `${name}==${version}`));
  const missing = [...names].filter((name) => licences[name] === undefined);
  const surplus = Object.keys(licences).filter((name) => !names.has(name));
  return [
    ...[...missing, ...surplus].map(
      (name) => `tools/licences/python.json does not fit the lock files: ${name}. Run npm run lock:python`,
    ),
    ...Object.entries(licences).flatMap(([name, licence]) => {
      const problem = licenceProblem(expressionOf(licence), name.replace(/==.*/, ''));
      return problem === undefined ? [] : [`${name} of tools/licences/python.json ${problem}`];
    }),
  ];
}

function main(): void {
  const problems = [
    ...npmProblems(npmPackages(), readLicences('npm')),
    ...pythonProblems(PYTHON_LOCKS.flatMap(pythonPackages), readLicences('python')),
  ];
  if (problems.length === 0) return;
  console.error(problems.join('\n'));
  console.error(
    'Read the licence in the package itself. If the product may use it, write its SPDX expression and where it is written into\n' +
      'tools/licences, or add a new identifier to tools/check-licences.ts. Otherwise remove the package.',
  );
  process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
