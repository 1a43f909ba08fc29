import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../src/cli/setup/run-command.ts';
import { PYTHON_LOCKS, pythonPackages, readLicences, type Licence } from './locked-packages.ts';

/** SPDX identifiers of what older packages write into `License` and the classifiers. "BSD" is missing: it may be one of several. */
const IDENTIFIERS: readonly [RegExp, string][] = [
  [
    /^(License :: OSI Approved :: )?Apache( Software)?( License)?,?( Version)?( ?2\.0)?( License)?$/,
    'Apache-2.0',
  ],
  [/^(License :: OSI Approved :: )?MIT( License)?$/, 'MIT'],
  [/^ISC License$/, 'ISC'],
  [/^3-Clause BSD License$/, 'BSD-3-Clause'],
  [/^NVIDIA Proprietary Software$/, 'LicenseRef-NVIDIA-Proprietary'],
];

/** Writes the licences of all locked Python packages to tools/licences/python.json. Reads the metadata of new ones, by installing them. */
export async function writePythonLicences(uv: string): Promise<void> {
  const before = readLicences('python');
  const names = PYTHON_LOCKS.flatMap(pythonPackages).map(({ name, version }) => `${name}==${version}`);
  const licences: Record<string, Licence> = {};
  for (const name of [...new Set(names)].sort()) licences[name] = before[name] ?? (await licenceOf(name, uv));
  writeFileSync(join(import.meta.dirname, 'python.json'), `${JSON.stringify(licences, null, 2)}\n`);
}

/** The licence in the package's metadata; one without a usable field has to be looked into, which `npm run check` demands. */
async function licenceOf(name: string, uv: string): Promise<Licence> {
  const metadata = await metadataOf(name, uv);
  const values = (field: string) =>
    [...metadata.matchAll(new RegExp(`^${field}: (.+)$`, 'gm'))].map(([, value = '']) => value);
  const [expression] = values('License-Expression');
  if (expression !== undefined) return expression;
  const said = [...values('License'), ...values('Classifier').filter((value) => value.startsWith('License'))];
  for (const value of said) {
    const identifier = IDENTIFIERS.find(([pattern]) => pattern.test(value))?.[1] ?? value;
    // An expression in the older field, such as `MPL-2.0 AND MIT`.
    if (/^[\w.-]*\d[\w.-]*( (AND|OR) [\w.-]+)*$|^(MIT|ISC|LicenseRef-[\w-]+)$/.test(identifier))
      return identifier;
  }
  return { licence: '', evidence: `the metadata only say: ${said.join('; ') || 'nothing'}` };
}

/** The header of the package's METADATA. A package may exist for one system only. */
async function metadataOf(name: string, uv: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'licences-'));
  const install = ['pip', 'install', '--no-deps', '--python-version', '3.12', '--target', folder, name];
  try {
    await runCommand(uv, [...install, '--python-platform', 'linux']).catch(() =>
      runCommand(uv, [...install, '--python-platform', 'windows']),
    );
    const [file = ''] = globSync('*.dist-info/METADATA', { cwd: folder });
    return readFileSync(join(folder, file), 'utf8').split('\n\n')[0] ?? '';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
