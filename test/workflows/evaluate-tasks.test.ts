import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { JudgeEvaluationResult } from '../../src/api/result.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { chatCompletion, type PlainServer, startPlainServer } from '../support/plain-server.ts';

/** Knows sums, products, primes and capitals, and says so in the form that the prompt asks for. */
function answer(system: string, question: string): string {
  const isRight = /\n(5|7|Paris)\n/.test(question) && !question.includes('2 * 3');
  if (system.includes('"[[correct]]"')) return isRight ? '[[correct]]' : '[[incorrect]]';
  if (system.includes('from 1 to 10')) return isRight ? '[[10]]' : '[[2]]';
  return `[[${/Assistant ([A-C])'s Answer\]\n(?:5|7)\n/.exec(question)?.[1]}]]`;
}

describe('the evaluation of a judge on tasks beyond pairs', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let server: PlainServer;

  before(async () => {
    [cluster, server] = await Promise.all([
      startCluster(),
      startPlainServer(({ body }) => {
        const { messages = [] } = (body ?? {}) as { messages?: { content: string }[] };
        return { body: chatCompletion(answer(messages[0]?.content ?? '', messages.at(-1)?.content ?? '')) };
      }),
    ]);
  });
  before(() => void cluster.startWorker());
  after(async () => {
    await cluster.close();
    await server.close();
  });

  it('asks with the prompt of each task, and counts the right verdicts of each', async () => {
    const benchmarks = ['scores', 'rankings', 'verifications'].map((format) => {
      const path = join('test/fixtures/benchmarks', `${format}.jsonl`);
      return { name: `my-${format}`, format, path };
    });
    const handle = await cluster.client.workflow.start('evaluateJudge', {
      workflowId: 'tasks',
      taskQueue: cluster.taskQueue,
      args: [
        {
          runName: 'tasks',
          serving: { kind: 'endpoint', baseUrl: server.baseUrl, servedModelName: 'judge' },
          evaluation: { benchmarks },
        },
      ],
    });
    const { evaluations } = (await handle.result()) as JudgeEvaluationResult;
    assert.deepEqual(
      evaluations.map(({ benchmark, pairs, accuracy }) => [benchmark, pairs, accuracy]),
      [
        ['my-scores', 4, 0.25],
        ['my-rankings', 2, 1],
        ['my-verifications', 3, 1],
      ],
    );
  });
});
