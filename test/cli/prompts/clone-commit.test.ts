import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cloneCommit } from '../../../src/cli/prompts/clone-commit.ts';

describe('the commit of a clone', () => {
  let scratch: string;
  const git = (folder: string, ...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'maintenance.auto=false', ...args], {
      encoding: 'utf8',
    }).trim();

  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'clone-'));
    execFileSync('git', ['init', '--quiet', join(scratch, 'repo')]);
    git(join(scratch, 'repo'), 'commit', '--quiet', '--allow-empty', '--message', 'one');
  });

  afterEach(() => rm(scratch, { recursive: true }));

  it('is what git says: of a branch, of packed branches, detached, and in a worktree', async () => {
    const repo = join(scratch, 'repo');
    const commit = git(repo, 'rev-parse', 'HEAD');
    assert.equal(await cloneCommit(repo), commit);
    git(repo, 'pack-refs', '--all');
    assert.equal(await cloneCommit(repo), commit);
    git(repo, 'worktree', 'add', '--quiet', '-b', 'other', join(scratch, 'tree'));
    git(join(scratch, 'tree'), 'commit', '--quiet', '--allow-empty', '--message', 'two');
    assert.equal(await cloneCommit(join(scratch, 'tree')), git(join(scratch, 'tree'), 'rev-parse', 'HEAD'));
    git(repo, 'checkout', '--quiet', '--detach');
    assert.equal(await cloneCommit(repo), commit);
  });

  it('is unknown of a folder without git, and of a damaged one', async () => {
    assert.equal(await cloneCommit(scratch), undefined);
    await writeFile(join(scratch, 'repo', '.git', 'HEAD'), 'ref: refs/../../secret\n');
    assert.equal(await cloneCommit(join(scratch, 'repo')), undefined);
    await writeFile(join(scratch, 'repo', '.git', 'HEAD'), 'main\n');
    assert.equal(await cloneCommit(join(scratch, 'repo')), undefined);
  });
});
