/**
 * `npm run sbom [-- FOLDER]`: writes into dist/, or the folder, what a build depends on: one CycloneDX document for the node modules and one for the
 * packages of the Python environment, and THIRD_PARTY_NOTICES with the licence texts of the node modules. Needs no network.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCommand } from '../src/cli/setup/run-command.ts';
import {
  expressionOf,
  npmPackages,
  pythonPackages,
  readLicences,
  root,
  type NpmPackage,
} from './licences/locked-packages.ts';
import { runTool } from './setup/run-tool.ts';

interface Component {
  readonly 'bom-ref': string;
  readonly properties: readonly { readonly name: string }[];
}

interface NpmSbom {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** The fields that all SBOMs of the product share. */
function document(components: readonly unknown[]) {
  const { name, version, license } = readJson(join(root, 'package.json'));
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: {
        ...{ 'bom-ref': `${name}@${version}`, type: 'application', name, version },
        purl: `pkg:npm/${name}@${version}`,
        licenses: [{ license: { id: license } }],
      },
    },
    components,
  };
}

/**
 * npm's own document of the locked packages, without those for development. Its option `--omit dev` would also leave out the
 * packages that both need.
 */
async function npmDocument() {
  const { components, dependencies } = JSON.parse(
    await runCommand('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], { cwd: root }),
  ) as NpmSbom;
  const lookedInto = readLicences('npm');
  const isKept = ({ properties }: Component) =>
    !properties.some(({ name }) => name === 'cdx:npm:package:development');
  const dropped = new Set(components.filter((one) => !isKept(one)).map((one) => one['bom-ref']));
  return {
    ...document(
      components.filter(isKept).map((component) => {
        const expression = expressionOf(lookedInto[component['bom-ref']]);
        return expression === undefined ? component : { ...component, licenses: [{ expression }] };
      }),
    ),
    dependencies: dependencies
      .filter(({ ref }) => !dropped.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((name) => !dropped.has(name)) })),
  };
}

function pythonDocument() {
  const licences = readLicences('python');
  const packages = [...pythonPackages('trainer/requirements'), ...pythonPackages('trainer/uv-requirements')];
  return document(
    packages.map(({ name, version, sha256 }) => {
      const purl = `pkg:pypi/${name}@${version}`;
      return {
        ...{ 'bom-ref': purl, type: 'library', name, version, purl },
        licenses: [{ expression: expressionOf(licences[`${name}==${version}`]) }],
        // Each file of a package has a hash: wheels of several platforms, and the sources.
        externalReferences: sha256.map((content) => ({
          ...{ type: 'distribution', url: purl },
          hashes: [{ alg: 'SHA-256', content }],
        })),
      };
    }),
  );
}

/** The licence texts of the installed node modules that are not for development. Packages with the same text share it. */
function notices(): string {
  const shipped = npmPackages().filter(({ dev, path }) => !dev && existsSync(join(root, path)));
  const byText = new Map<string, { names: string[]; text: string }>();
  for (const one of shipped) {
    const text = licenceText(one);
    const key = createHash('sha256').update(text).digest('hex');
    const entry = byText.get(key) ?? { names: [], text };
    entry.names.push(`${one.name} ${one.version}`);
    byText.set(key, entry);
  }
  const python = Object.entries(readLicences('python')).map(
    ([name, value]) => `${name}: ${expressionOf(value)}`,
  );
  return [
    'Packages that Self-Taught Evaluator needs at run time, and their licences.',
    ...[...byText.values()].map(({ names, text }) => `${'='.repeat(80)}\n${names.join('\n')}\n\n${text}`),
    `${'='.repeat(80)}\nPackages of the Python environment. Each has its licence texts in its folder *.dist-info.\n\n${python.join('\n')}`,
  ].join('\n\n');
}

/** The package's own words about its licence: its files, or the name of the licence if it has none. */
function licenceText({ path, license, name, version }: NpmPackage): string {
  const files = readdirSync(join(root, path), { withFileTypes: true })
    .filter((file) => file.isFile() && /^(licen[cs]e|copying|notice|third.?party)/i.test(file.name))
    .map((file) => readFileSync(join(root, path, file.name), 'utf8').trim());
  if (files.length > 0) return files.join('\n\n');
  const expression = license ?? expressionOf(readLicences('npm')[`${name}@${version}`]);
  return `The package has no licence text. Its package.json says: ${expression}`;
}

function readJson(file: string): Record<string, string> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
}

await runTool(async () => {
  const folder = resolve(process.argv[2] ?? join(root, 'dist'));
  mkdirSync(join(folder, 'sbom'), { recursive: true });
  const files = {
    'sbom/npm.cdx.json': JSON.stringify(await npmDocument(), null, 2),
    'sbom/python.cdx.json': JSON.stringify(pythonDocument(), null, 2),
    THIRD_PARTY_NOTICES: notices(),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), `${text}\n`);
});
