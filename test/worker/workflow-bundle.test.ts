import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../src/observability/log.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { requireReadableFolder, workflowBundle } from '../../src/worker/workflow-bundle.ts';

describe('the bundle of the workflows', function () {
  this.timeout(120_000);
  let folder: string;
  let cacheFolder: string;
  let workflowsPath: string;
  let imported: string;
  let isBundled: boolean;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'workflow-bundle-'));
    cacheFolder = join(folder, 'cache');
    workflowsPath = join(folder, 'index.ts');
    imported = join(folder, 'imported.ts');
    await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'));
    await writeLongAgo(workflowsPath, "export { wait } from './imported.ts';");
    await writeLongAgo(imported, workflow('first'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const workflow = (word: string) => `export async function wait(): Promise<string> { return '${word}'; }`;

  async function writeLongAgo(path: string, text: string): Promise<void> {
    await writeFile(path, text);
    await utimes(path, 1e9, 1e9);
  }

  /** Returns the bundle, and notes in `isBundled` whether it was made now, which the bundler logs. */
  async function bundle(cache = cacheFolder): Promise<string> {
    isBundled = false;
    const write = (line: string) => void (isBundled ||= line.includes('Workflow bundle created'));
    const log = createLog({ level: 'trace', format: 'json', environment: {}, write });
    return (await workflowBundle({ log, plugins: [], cacheFolder: cache, workflowsPath })).code;
  }

  async function cacheFile(): Promise<string> {
    const bundles = join(cacheFolder, 'workflow-bundles');
    const [name = '', ...others] = await readdir(bundles);
    assert.deepEqual(others, []);
    return join(bundles, name);
  }

  it('is made once, and again when the content of a file has changed', async () => {
    const first = await bundle();
    assert.equal(isBundled, true);
    assert.equal(await bundle(), first);
    assert.equal(isBundled, false);
    // The same size and time.
    await writeLongAgo(imported, workflow('other'));
    assert.match(await bundle(), /'other'/);
    assert.equal(isBundled, true);
    assert.match(await bundle(), /'other'/);
    assert.equal(isBundled, false);
  });

  it('is made again if another file would be found now', async () => {
    await mkdir(join(folder, 'part'));
    await writeLongAgo(workflowsPath, "export { wait } from './part/imported.ts';");
    await writeLongAgo(join(folder, 'part', 'imported.ts'), workflow('part'));
    await bundle();
    await writeFile(join(folder, 'part', 'package.json'), '{"type":"module"}');
    await bundle();
    assert.equal(isBundled, true);
  });

  it('is made again by another version of Node, and if the cache is damaged', async () => {
    const first = await bundle();
    const file = await cacheFile();
    const content = await readFile(file, 'utf8');
    for (const damaged of [
      content.replace(process.version, 'v0.0.0'),
      content.replace(/first(?=[^]{0,99}$)|first/, 'fault'),
      content.slice(0, content.length / 2),
      '',
    ]) {
      assert.notEqual(damaged, content);
      await writeFile(file, damaged);
      assert.equal(await bundle(), first);
      assert.equal(isBundled, true);
    }
    assert.equal(await bundle(), first);
    assert.equal(isBundled, false);
  });

  it('is not cached while its files are changing, and is made without a cache that can be written', async () => {
    // As if it changed at the end of the bundling.
    const soon = Date.now() / 1000 + 60;
    await utimes(imported, soon, soon);
    await bundle();
    await assert.rejects(readdir(join(cacheFolder, 'workflow-bundles')), { code: 'ENOENT' });
    await writeLongAgo(imported, workflow('first'));
    assert.match(await bundle(imported), /'first'/);
    assert.equal(isBundled, true);
  });

  it("is refused from a folder that webpack can't read, with the character and the folder", () => {
    for (const unreadable of ['/home/me/what?', '/home/me/now!/x'])
      assert.throws(() => requireReadableFolder(unreadable), {
        name: 'SetupError',
        message: /with "[!?]" in its path: move or rename \/home\/me\/(what\?|now!\/x)\./,
      });
    requireReadableFolder(`/home/it's 100% #1 [x] {a,b} é\n/x`);
  });
});
