import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { askModel, superviseServers, type SupervisedServers } from './supervised-servers.ts';

const program = fileURLToPath(import.meta.resolve('./fake-server.ts'));

describe('a model that replaces the others of its run', function () {
  this.timeout(180_000);
  let servers: SupervisedServers;

  beforeEach(() => {
    servers = superviseServers();
  });
  afterEach(() => servers.close());

  it('has the other servers of its owner stopped before its own, and no other one', async () => {
    const serving = servers.settings(program, ['--model', '{checkpoint}']);
    const [first, ofAnother] = await Promise.all([
      servers.serve(serving, { checkpoint: '/models/1' }),
      servers.serve(serving, { checkpoint: '/models/1b', owner: 'other/judge' }),
    ]);
    const second = await servers.serve(serving, { checkpoint: '/models/2', replacesOthers: true });
    assert.equal(await askModel(first), undefined);
    assert.match((await askModel(second)) ?? '', /models\/2/);
    assert.match((await askModel(ofAnother)) ?? '', /models\/1b/);
  });

  it('goes on with the server of the one before if that serves it too', async () => {
    const serving = servers.settings(program);
    const before = await servers.serve(serving, { checkpoint: '/models/a' });
    const next = await servers.serve(serving, { checkpoint: '/models/b', replacesOthers: true });
    assert.equal(next.baseUrl, before.baseUrl);
    assert.match((await askModel(before)) ?? '', /models\/a/);
    assert.equal(servers.starts().length, 1);
  });
});
