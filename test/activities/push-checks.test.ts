import assert from 'node:assert/strict';
import { pushChecks } from '../../src/activities/push-outputs.ts';
import { startPushableHub } from '../support/pushable-hub.ts';
import { startTestRun, type TestRun } from '../support/test-run.ts';

const token = 'hf_secret_of_this_test';

describe('the check of a push before a run', () => {
  let testRun: TestRun;
  before(async () => {
    testRun = await startTestRun({ publish: { model: 'someone/judge', dataset: 'someone/judgments' } });
  });
  after(() => testRun.close());

  it('checks the token’s variable first, then each repository', async () => {
    const hub = await startPushableHub({ token, readOnly: ['models/someone/judge'] });
    const problems = async (environment: Record<string, string>) => {
      const deps = { ...testRun.deps, environment: { HF_ENDPOINT: hub.url, ...environment } };
      const { publish: asked } = (
        await testRun.deps.store.readRecords<{ configuration: { publish: never } }>(testRun.run.configuration)
      )[0]?.configuration ?? { publish: undefined };
      const checks = pushChecks(deps, asked);
      return Promise.all(
        checks.map(async ({ path: field, check }) => {
          const failure = await Promise.try(check).then(
            () => 'fine',
            (error: Error) => error.message,
          );
          return `${field}: ${failure}`;
        }),
      );
    };
    try {
      assert.match((await problems({})).join(), /^publish.tokenEnv: HF_TOKEN is not set for the worker/);
      assert.deepEqual(await problems({ HF_TOKEN: token }), [
        'publish.dataset: fine',
        'publish.model: model someone/judge: the token has no write permission for it',
      ]);
    } finally {
      await hub.close();
    }
  });
});
