import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPush } from '../../../src/reporting/hub/check-push.ts';
import { pushFiles, type PushTarget } from '../../../src/reporting/hub/push-files.ts';
import { startPushableHub, type PushableHub } from '../../support/pushable-hub.ts';

const token = 'hf_secret';
const weights = Buffer.alloc(250_001, 'weights ');

describe('a push to the hub', () => {
  let folder: string;
  let hub: PushableHub;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'push-'));
    await mkdir(join(folder, 'iteration-1'));
    await writeFile(join(folder, 'weights'), weights);
    await symlink('weights', join(folder, 'model.safetensors'));
    await writeFile(join(folder, 'small.safetensors'), 'small');
    await writeFile(join(folder, 'README.md'), '# A judge\n');
    await writeFile(join(folder, 'iteration-1', 'train.parquet'), 'PAR1');
  });
  beforeEach(async () => (hub = await startPushableHub({ token, readOnly: ['models/others/judge'] })));
  afterEach(() => hub.close());
  after(() => rm(folder, { recursive: true }));

  const paths = ['README.md', 'model.safetensors', 'small.safetensors', 'iteration-1/train.parquet'];
  const target = (changes: Partial<PushTarget> = {}): PushTarget => ({
    url: hub.url,
    token,
    repository: { type: 'model', name: 'someone/judge' },
    revision: 'main',
    private: true,
    ...changes,
  });
  const push = (changes: Partial<PushTarget> = {}, which = paths) =>
    pushFiles(
      target(changes),
      which.map((path) => ({ path, file: join(folder, path) })),
      { message: 'run: M_1', signal: new AbortController().signal },
    );

  it('creates the repository and uploads small and large files, also in parts', async () => {
    const commit = await push();
    assert.match(commit, /^[0-9a-f]{40}$/);
    const files = hub.files('model', 'someone/judge');
    assert.deepEqual(Object.keys(files ?? {}).sort(), [...paths].sort());
    assert(weights.equals(files?.['model.safetensors'] ?? Buffer.alloc(0)));
    assert.equal(files?.['small.safetensors']?.toString(), 'small');
    assert.equal(files?.['README.md']?.toString(), '# A judge\n');
    assert.deepEqual(hub.commits('model', 'someone/judge'), ['run: M_1']);
    assert.equal(hub.isPrivate('model', 'someone/judge'), true);
  });

  it('that is repeated makes no commit', async () => {
    const first = await push({ private: false });
    assert.equal(hub.isPrivate('model', 'someone/judge'), false);
    const before = hub.requests.length;
    assert.equal(await push(), first);
    assert.equal(hub.commits('model', 'someone/judge').length, 1);
    assert(!hub.requests.slice(before).some((request) => /preupload|lfs|storage|commit/.test(request)));
  });

  it('that was interrupted sends only the missing files', async () => {
    hub.failNext(/\/commit\//, 503);
    await assert.rejects(push(), {
      name: 'Error',
      message: /model someone\/judge: the hub at .* answered 503/,
    });
    const before = hub.requests.length;
    await push();
    assert(!hub.requests.slice(before).some((request) => request.includes('/storage/')));
    assert.equal(Object.keys(hub.files('model', 'someone/judge') ?? {}).length, 4);
  });

  it('goes to a branch and keeps its other files', async () => {
    await push({}, ['README.md']);
    await push({ revision: 'v2' }, ['small.safetensors']);
    assert.deepEqual(Object.keys(hub.files('model', 'someone/judge', 'v2') ?? {}), [
      'README.md',
      'small.safetensors',
    ]);
    assert.deepEqual(Object.keys(hub.files('model', 'someone/judge') ?? {}), ['README.md']);
  });

  it('that is not allowed is not retried, and no message contains the token', async () => {
    for (const changes of [
      { repository: { type: 'model', name: 'others/judge' } as const },
      { repository: { type: 'dataset', name: 'nobody/data' } as const },
      { token: 'hf_wrongone' },
    ])
      await assert.rejects(push(changes), (error: Error) => {
        assert.equal(error.name, 'InvalidInput', error.message);
        assert(!error.message.includes('hf_wrongone'));
        return true;
      });
  });

  it('is checked beforehand without any change', async () => {
    await checkPush(target());
    await push();
    await checkPush(target());
    const refused: [Partial<PushTarget>, RegExp][] = [
      [
        { repository: { type: 'model', name: 'others/judge' } },
        /model others\/judge: the token has no write permission/,
      ],
      [
        { repository: { type: 'dataset', name: 'nobody/data' } },
        /can't create one for nobody: the token belongs to someone/,
      ],
      [{ token: 'hf_wrongone' }, /doesn't accept the token/],
      [{ url: 'http://127.0.0.1:9' }, /can't be reached/],
    ];
    for (const [changes, message] of refused) await assert.rejects(checkPush(target(changes)), { message });
    assert.deepEqual(hub.commits('model', 'someone/judge'), ['run: M_1']);
    assert.equal(hub.files('dataset', 'nobody/data'), undefined);
  });
});
