import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import type { ShardResult } from '../../src/api/activity-types.ts';
import { toReference, type ArtifactReference } from '../../src/store/artifact.ts';
import type { SkippedRecord } from '../../src/store/shard-types.ts';
import type { Judgment } from '../../src/runs/records.ts';
import { createInferenceClient } from '../../src/models/inference/client.ts';
import { type Clock, realClock } from '../../src/models/inference/clock.ts';
import { type Behaviour, scriptedText } from '../support/scripted-endpoint.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const pairs = Array.from({ length: 8 }, (_, index) => ({
  id: `pair-${index}`,
  instruction: `Question ${index}?`,
  better: 'right',
  worse: 'wrong',
}));
const JUDGMENTS = 2 * pairs.length;
const SHARD = 'test/iteration-1/judgments/shard-00000';
const good: Behaviour = { kind: 'answer', texts: ['reasons [[A]]'] };
/** Ten times faster time, because a client without credit waits for seconds. */
const clock: Clock = {
  now: () => 10 * realClock.now(),
  after: (seconds, run) => realClock.after(seconds / 10, run),
};

describe('a stage at an endpoint that is special', function () {
  this.timeout(120_000);
  let run: TestRun;
  let input: ArtifactReference;

  beforeEach(async () => {
    const started = await startTestRun({ judging: { samples: 1 }, inference: { maxSkippedShare: 0.2 } });
    const inference = createInferenceClient({
      concurrency: { minimum: 1, maximum: 2 },
      requestTimeoutSeconds: 10,
      retry: { attempts: 3, initialSeconds: 0, maximumSeconds: 0 },
      ...{ environment: {}, clock },
    });
    run = { ...started, deps: { ...started.deps, inference } };
    input = await run.publish('test/pairs', pairs, pairs.length);
  });
  afterEach(async () => {
    await run.deps.inference.close();
    await run.close();
  });

  const judge = (): Promise<ShardResult> =>
    asActivity(() => judgePairs(run.deps, { run: run.run, iteration: 1, model: run.model, input, shard: 0 }));

  async function judgments(): Promise<Judgment[]> {
    const manifest = await run.deps.store.readManifest(SHARD);
    assert(manifest !== undefined);
    return run.deps.store.readRecords<Judgment>(toReference(manifest));
  }

  it('loses only the records whose prompts are flagged with 403', async () => {
    run.endpoint.script(({ body }) =>
      JSON.stringify(body.messages).includes('Question 3?')
        ? { kind: 'status', status: 403, error: { message: 'The input was flagged' } }
        : good,
    );
    await judge();
    assert.equal((await judgments()).length, JUDGMENTS - 2);
    const skipped = await run.deps.store.readLines<SkippedRecord>(SHARD, 'skipped.jsonl');
    assert.deepEqual([...new Set(skipped.map(({ reason }) => reason))], ['content-filter']);
  });

  it('waits for credit and loses nothing', async () => {
    run.endpoint.script(({ index }) =>
      index >= 5 && index < 8 ? { kind: 'status', status: 402, error: { message: 'Add credit' } } : good,
    );
    await judge();
    assert.equal((await judgments()).length, JUDGMENTS);
  });

  describe('because it counts no tokens', () => {
    beforeEach(() => {
      run.endpoint.script(({ body: { model, messages, seed = 0 } }) => ({
        kind: 'raw',
        body: JSON.stringify({ choices: [{ message: { content: scriptedText(model, messages, seed) } }] }),
      }));
    });

    it('counts estimated tokens for the budget, and warns', async () => {
      const { warnings } = await judge();
      assert.match(warnings?.join() ?? '', /does not count tokens/);
      const { tokens } = run.deps.ledgers.forRun('test').usage(undefined);
      const written = JUDGMENTS * Math.ceil(16 / 3);
      assert(tokens > written, `${tokens} tokens, ${written} of them written`);
    });

    it('keeps a budget of tokens', async () => {
      await run.deps.ledgers.forRun('test').setLimits({ tokens: 100 });
      await assert.rejects(judge(), (error) => {
        assert(error instanceof ApplicationFailure);
        assert.equal(error.type, 'BudgetExhausted');
        assert.match(error.details?.join() ?? '', /does not count tokens/);
        return true;
      });
      assert(run.endpoint.requests.length < JUDGMENTS);
    });
  });
});
