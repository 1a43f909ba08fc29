import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveInputPath, resolveInputPaths, type InputFiles } from '../../src/platform/input-files.ts';
import { InputRefused } from '../../src/platform/input-guard.ts';

describe('the files that a configuration names, kept to folders', () => {
  let folder: string;
  let root: string;
  let files: InputFiles;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'input-guard-'));
    root = join(folder, 'root');
    for (const name of ['root/data', 'root/.ssh', 'root-2', 'outside/prompt'])
      await mkdir(join(folder, name), { recursive: true });
    for (const name of [
      'root/data/a.jsonl',
      'root/.ssh/key.json',
      'root-2/b.jsonl',
      'outside/c.jsonl',
      'outside/prompt/user.txt',
    ])
      await writeFile(join(folder, name), '');
    files = { roots: [root], guard: { folders: [root], requireHubRepository: () => undefined } };
  });
  afterEach(() => rm(folder, { recursive: true }));

  const refuses = async (path: string) => {
    assert.throws(() => resolveInputPath(files, path), InputRefused, path);
    await assert.rejects(resolveInputPaths(files, path), InputRefused, path);
  };

  it('are read in the folders, by relative and absolute paths, patterns and links among them', async () => {
    await symlink('a.jsonl', join(root, 'data', 'link.jsonl'));
    for (const path of ['data/a.jsonl', join(root, 'data/a.jsonl'), 'data/link.jsonl', 'data/../data', '.'])
      assert.doesNotThrow(() => resolveInputPath(files, path), path);
    assert.deepEqual(await resolveInputPaths(files, 'data/*.jsonl'), [
      join(root, 'data/a.jsonl'),
      join(root, 'data/link.jsonl'),
    ]);
  });

  it('are refused outside of them, whether they exist or not, and if their names are hidden', async () => {
    for (const path of [
      '../outside/c.jsonl',
      '../none.jsonl',
      '../root-2/b.jsonl',
      '/etc/passwd',
      '/none',
      '.ssh/key.json',
    ])
      await refuses(path);
    await refuses(join(folder, 'outside', '*.jsonl'));
    await refuses('../outside/*.jsonl');
    for (const pattern of ['{..,x}/outside/*.jsonl', '{data,../outside}/*.jsonl', '{.,x}./outside/*.jsonl'])
      await assert.rejects(resolveInputPaths(files, pattern), pattern);
  });

  it('are refused if a link leads out of them: the file, a folder above it, or one inside a folder', async () => {
    await symlink(join(folder, 'outside/c.jsonl'), join(root, 'data/c.jsonl'));
    await symlink(join(folder, 'outside'), join(root, 'linked'));
    await mkdir(join(root, 'prompt'));
    await symlink(join(folder, 'outside/prompt/user.txt'), join(root, 'prompt/user.txt'));
    for (const path of ['data/c.jsonl', 'linked/c.jsonl', 'linked', 'prompt', 'data/*.jsonl'])
      await assert.rejects(resolveInputPaths(files, path), InputRefused, path);
    files = { ...files, guard: { ...files.guard!, folders: [root, join(folder, 'outside')] } };
    for (const path of ['data/c.jsonl', 'linked/c.jsonl', 'prompt'])
      assert.doesNotThrow(() => resolveInputPath(files, path), path);
  });
});
