import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { npmPackages, pythonPackages, root } from '../../tools/licences/locked-packages.ts';

interface Document {
  readonly bomFormat: string;
  readonly metadata: { readonly component: { readonly name: string } };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly licenses: readonly unknown[];
    readonly hashes?: readonly unknown[];
    readonly externalReferences: readonly { hashes: readonly unknown[] }[];
  }[];
  readonly dependencies?: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

describe('npm run sbom', function () {
  this.timeout(180_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sbom-'));
    execFileSync(process.execPath, [join(root, 'tools/sbom.ts'), folder]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  function document(name: string): Document {
    return JSON.parse(readFileSync(join(folder, 'sbom', name), 'utf8')) as Document;
  }

  function namesOf(packages: readonly { name: string; version: string }[]): string[] {
    return [...new Set(packages.map(({ name, version }) => `${name} ${version}`))].sort();
  }

  it('lists exactly the locked node modules that are not for development, each with licence and hash', () => {
    const { bomFormat, metadata, components, dependencies = [] } = document('npm.cdx.json');
    assert.equal(bomFormat, 'CycloneDX');
    assert.equal(metadata.component.name, 'self-taught-evaluator');
    assert.deepEqual(namesOf(components), namesOf(npmPackages().filter(({ dev }) => !dev)));
    for (const { name, licenses, hashes } of components)
      assert(licenses.length > 0 && hashes?.length === 1, name);
    const refs = new Set(dependencies.map(({ ref }) => ref));
    assert.equal(refs.size, components.length + 1);
    assert(dependencies.every(({ dependsOn }) => dependsOn.every((name) => refs.has(name))));
  });

  it('lists exactly the locked packages of the Python environment, each with licence and the hashes of its files', () => {
    const { components } = document('python.cdx.json');
    const locked = [...pythonPackages('trainer/requirements'), ...pythonPackages('trainer/uv-requirements')];
    assert.deepEqual(namesOf(components), namesOf(locked));
    for (const { name, licenses, externalReferences } of components)
      assert(licenses.length === 1 && externalReferences.length > 0, name);
  });

  it('collects the licence texts of all installed node modules that are not for development', () => {
    const text = readFileSync(join(folder, 'THIRD_PARTY_NOTICES'), 'utf8');
    for (const { name, version, dev, path } of npmPackages())
      if (!dev && existsSync(join(root, path))) assert(text.includes(`\n${name} ${version}\n`), name);
    assert(text.includes(readFileSync(join(root, 'node_modules/zod/LICENSE'), 'utf8').trim()));
  });
});
