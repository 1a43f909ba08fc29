import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { JudgeEvaluationResult } from '../../src/api/result.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startRun } from '../../src/client/index.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';
import { chatCompletion, type PlainServer, startPlainServer } from '../support/plain-server.ts';

describe('a workflow at an endpoint that does something else than was asked', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let server: PlainServer;

  before(async () => {
    [cluster, server] = await Promise.all([
      startCluster(),
      startPlainServer(({ body }) =>
        body !== undefined && 'seed' in body
          ? {
              status: 422,
              body: { detail: [{ loc: ['body', 'seed'], msg: 'Extra inputs are not permitted' }] },
            }
          : { body: chatCompletion('I prefer [[A]].', { usage: null }) },
      ),
    ]);
  });
  before(() => void cluster.startWorker());
  after(async () => {
    await cluster.close();
    await server.close();
  });

  it('warns in its result of each thing once, and finishes', async () => {
    const path = join('test/fixtures/benchmarks', 'reward-bench-2.parquet');
    const handle = await cluster.client.workflow.start('evaluateJudge', {
      workflowId: 'special',
      taskQueue: cluster.taskQueue,
      args: [
        {
          runName: 'special',
          serving: { kind: 'endpoint', baseUrl: server.baseUrl, servedModelName: 'special-judge' },
          evaluation: { benchmarks: [{ name: 'four', format: 'reward-bench-2', path }], shardSize: 2 },
        },
      ],
    });
    const { warnings, evaluations } = (await handle.result()) as JudgeEvaluationResult;
    assert.equal(evaluations[0]?.pairs, 4);
    const about = (topic: RegExp) => warnings.filter((warning) => topic.test(warning));
    assert.equal(about(/special-judge takes no seed/).length, 1, warnings.join('\n'));
    assert.equal(about(/special-judge does not count tokens/).length, 1);
    const refused = server.requests.filter(({ body }) => body !== undefined && 'seed' in body);
    assert(refused.length <= 2, `${refused.length} requests with a seed`);
  });

  it('says of a run whose budget is used up that its tokens are estimates', async () => {
    const budget = { tokens: 1000 };
    const run = await startRun(cluster.client, tinyConfiguration('paused', server.baseUrl, { budget }));
    for await (const { status, warnings, paused } of run.follow()) {
      assert.notEqual(status, 'failed');
      if (status !== 'paused' || warnings.length < 2) continue;
      assert.match(paused?.reason ?? '', /the budget is exhausted: [\d,]+ tokens of 1,000 tokens/);
      assert.match(warnings.join(), /does not count tokens: for a budget .* they are estimated/);
      break;
    }
    await run.cancel();
  });
});
