import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadHubFiles, listHubFiles, parseHubUri, type HubAccess } from '../../src/datasets/hub-files.ts';
import { startLocalHub, type LocalDataset, type LocalHub } from '../support/local-hub.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
const large = Buffer.from('{"instruction":"Why?"}\n'.repeat(100_000));
const dataset: LocalDataset = {
  name: 'someone/chats',
  commit,
  branch: 'main',
  files: {
    'README.md': Buffer.from('# Chats'),
    'data/train-1.jsonl': large,
    'data/train-0.jsonl': Buffer.from('{"instruction":"How?"}\n'),
    'other/train-2.jsonl': Buffer.from('{"instruction":"No"}\n'),
  },
};

describe('files of the hub', () => {
  let cacheFolder: string;
  let hub: LocalHub;
  beforeEach(async () => (cacheFolder = await mkdtemp(join(tmpdir(), 'hub-'))));
  afterEach(async () => {
    await hub.close();
    await rm(cacheFolder, { recursive: true });
  });
  async function start(change: Partial<LocalDataset> = {}): Promise<HubAccess> {
    hub = await startLocalHub({ ...dataset, ...change });
    return { url: hub.url, cacheFolder };
  }
  const uri = (revision: string, pattern = 'data/*.jsonl') =>
    `hf://datasets/someone/chats@${revision}/${pattern}`;

  it('are downloaded completely and in order, under the commit of their branch', async () => {
    const access = await start();
    const files = await downloadHubFiles(uri('main'), access);
    assert.deepEqual(
      files.map((file) => file.uri),
      [uri(commit, 'data/train-0.jsonl'), uri(commit, 'data/train-1.jsonl')],
    );
    assert.equal(await readFile(files[0]?.path ?? '', 'utf8'), '{"instruction":"How?"}\n');
    assert(large.equals(await readFile(files[1]?.path ?? '')));
  });

  it('are listed without being downloaded', async () => {
    const { files } = await listHubFiles(uri('main', '**/*.jsonl'), await start());
    assert.equal(files.length, 3);
    assert(hub.requests.every((request) => !request.includes('/resolve/')));
  });

  it('come from where the hub keeps them, which does not get its token', async () => {
    // A whole hub of its own, which is public.
    const other = await startLocalHub(dataset);
    const access = { ...(await start({ token: 'hf_secret', elsewhere: other.url })), token: 'hf_secret' };
    const files = await downloadHubFiles(uri(commit), access);
    assert(large.equals(await readFile(files[1]?.path ?? '')));
    assert.match(other.requests.join(), /tree.*resolve/);
    assert.deepEqual(other.authorizations, []);
    await other.close();
  });

  it('need no network once a commit is in the cache', async () => {
    const access = await start();
    const first = await downloadHubFiles(uri(commit), access);
    await hub.close();
    assert.deepEqual(await downloadHubFiles(uri(commit), access), first);
  });

  it('name the searched places if the hub can’t be reached', async () => {
    const access = await start();
    await hub.close();
    await assert.rejects(downloadHubFiles(uri(commit), access), (error: Error) => {
      assert.match(error.message, /hub at http:\/\/127\.0\.0\.1:\d+ can't be reached \(ECONNREFUSED\)/);
      assert(error.message.includes(`${cacheFolder} has no copy`));
      assert.notEqual(error.name, 'InvalidInput', 'a hub that is away may come back');
      return true;
    });
  });

  it('list the existing ones if none matches', async () => {
    await assert.rejects(downloadHubFiles(uri('main', 'data/*.parquet'), await start()), {
      name: 'InvalidInput',
      message: /matches data\/\*\.parquet; it has README\.md, data\/train-1\.jsonl/,
    });
  });

  it('are rejected by name for an unknown revision', async () => {
    await assert.rejects(downloadHubFiles(uri('v9'), await start()), {
      name: 'InvalidInput',
      message: /answered 404: Invalid rev id: v9/,
    });
  });

  it('of a gated data set need a token, which no message contains', async () => {
    const access = await start({ token: 'hf_secret' });
    await assert.rejects(
      downloadHubFiles(uri('main'), { ...access, token: 'hf_wrongone' }),
      (error: Error) => {
        assert.match(error.message, /answered 401.*needs HF_TOKEN/);
        assert(!error.message.includes('hf_wrongone'));
        return true;
      },
    );
    assert.equal((await downloadHubFiles(uri('main'), { ...access, token: 'hf_secret' })).length, 2);
  });

  it('that are damaged by the download are deleted and downloaded again', async () => {
    const access = await start();
    hub.damage(Buffer.from('{"instruction":"Who?"}\n'));
    await assert.rejects(downloadHubFiles(uri(commit, 'data/train-0.jsonl'), access), {
      message: /downloaded with sha256 [0-9a-f]{64}; expected/,
    });
    hub.damage(undefined);
    const [file] = await downloadHubFiles(uri(commit, 'data/train-0.jsonl'), access);
    assert.equal(await readFile(file?.path ?? '', 'utf8'), '{"instruction":"How?"}\n');
  });

  it('that are not in Git LFS are checked by their hash in Git', async () => {
    const access = await start({ plain: ['data/train-0.jsonl'] });
    hub.damage(Buffer.from('{"instruction":"Who?"}\n'));
    const one = uri(commit, 'data/train-0.jsonl');
    await assert.rejects(downloadHubFiles(one, access), {
      message: /downloaded with Git hash [0-9a-f]{40}; expected/,
    });
    hub.damage(undefined);
    assert.equal((await downloadHubFiles(one, access)).length, 1);
  });

  describe('of a hub that wants to reach other files of the machine', () => {
    const outside = '../../../outside.jsonl';

    for (const entry of [
      { lfs: { oid: outside, size: 1, pointerSize: 1 } },
      { oid: outside, lfs: undefined },
    ])
      it(`are not written to, read from or deleted at ${JSON.stringify(entry)}`, async () => {
        const access = await start({ entry });
        const inner = { ...access, cacheFolder: join(cacheFolder, 'cache') };
        await assert.rejects(downloadHubFiles(uri(commit), inner), { message: /downloaded with/ });
        assert.deepEqual(await readdir(cacheFolder), ['cache']);
        await writeFile(join(cacheFolder, 'outside.jsonl'), 'secret');
        await assert.rejects(downloadHubFiles(uri(commit), inner), { message: /downloaded with/ });
        assert.equal(await readFile(join(cacheFolder, 'outside.jsonl'), 'utf8'), 'secret');
      });

    it('have a commit and paths that stay in the cache', async () => {
      const access = await start({ commitOfRevision: '../../../../outside' });
      const inner = { ...access, cacheFolder: join(cacheFolder, 'cache') };
      await assert.rejects(downloadHubFiles(uri('main'), inner), { message: /is no commit/ });
      await hub.close();
      const other = await start({ entry: { path: '../../../../../outside.jsonl' } });
      await assert.rejects(downloadHubFiles(uri('main', '**'), { ...inner, url: other.url }), {
        message: /no file .* matches/,
      });
      assert.equal((await readdir(cacheFolder)).includes('outside.jsonl'), false);
    });
  });

  it('must be named with their revision', async () => {
    await start();
    assert.deepEqual(parseHubUri('hf://datasets/a/b@refs%2Fpr%2F1/x.json'), {
      repository: 'a/b',
      revision: 'refs/pr/1',
      pattern: 'x.json',
    });
    for (const wrong of [
      'hf://datasets/a/b/x.json',
      'hf://a/b@main/x.json',
      'hf://datasets/a@main/x',
      'hf://',
    ])
      assert.throws(() => parseHubUri(wrong), { name: 'InvalidInput', message: /expected hf:\/\/datasets/ });
  });
});
