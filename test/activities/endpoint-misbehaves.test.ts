import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { toTemporalFailure } from '../../src/activities/temporal-failures.ts';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import type { ServedModel } from '../../src/api/activity-types.ts';
import type { ArtifactReference } from '../../src/store/artifact.ts';
import { toReference } from '../../src/store/artifact.ts';
import type { SkippedRecord } from '../../src/store/shard-types.ts';
import { createInferenceClient } from '../../src/models/inference/client.ts';
import { realClock, type Clock } from '../../src/models/inference/clock.ts';
import { EndpointUnavailable } from '../../src/models/inference/errors.ts';
import { startScriptedEndpoint, type Behaviour } from '../support/scripted-endpoint.ts';
import { asActivity, cancellable, startTestRun, type TestRun } from '../support/test-run.ts';
import type { Judgment } from '../../src/runs/records.ts';

const pairs = Array.from({ length: 4 }, (_, index) => ({
  id: `pair-${index}`,
  instruction: `Question ${index}?`,
  better: 'right',
  worse: 'wrong',
}));
const EXAMPLES = 2 * pairs.length;
/** How many times faster time passes for the client, which leaves an endpoint alone for seconds. */
const HASTE = 4;
const hurriedTime: Clock = {
  now: () => HASTE * realClock.now(),
  after: (seconds, run) => realClock.after(seconds / HASTE, run),
};
const good: Behaviour = { kind: 'answer', texts: ['reasons [[A]]'] };

describe('a stage whose endpoint misbehaves', function () {
  this.timeout(120_000);
  let run: TestRun;
  let input: ArtifactReference;

  /** An endpoint that gets `attempts` attempts in quick succession. */
  async function start(
    attempts: number,
    inference: { maxSkippedShare?: number } = {},
    requestTimeoutSeconds = 60,
  ): Promise<void> {
    const started = await startTestRun({
      judging: { samples: 1 },
      inference: { concurrentRequestsPerShard: 2, maxSkippedShare: 0, ...inference },
    });
    run = {
      ...started,
      deps: {
        ...started.deps,
        inference: createInferenceClient({
          concurrency: { minimum: 1, maximum: 4 },
          requestTimeoutSeconds,
          retry: { attempts, initialSeconds: 0.01, maximumSeconds: 0.02 },
          environment: {},
          clock: hurriedTime,
        }),
      },
    };
    input = await run.publish('test/pairs', pairs, pairs.length);
  }

  afterEach(async () => {
    await run.deps.inference.close();
    await run.close();
  });

  const judge = (model: Partial<ServedModel> = {}) =>
    asActivity(() =>
      judgePairs(run.deps, {
        run: run.run,
        iteration: 1,
        model: { ...run.model, ...model },
        input,
        shard: 0,
      }),
    );

  const failureOf = async (promise: Promise<unknown>): Promise<Error> => {
    const error: unknown = await promise.then(
      () => assert.fail('it did not fail'),
      (thrown: unknown) => thrown,
    );
    assert(error instanceof Error);
    return error;
  };

  const untilAsked = async (times: number) => {
    while (run.endpoint.requests.length < times) await sleep(10);
  };

  const judgments = async () => {
    const manifest = await run.deps.store.readManifest('test/iteration-1/judgments/shard-00000');
    assert(manifest !== undefined);
    return run.deps.store.readRecords<Judgment>(toReference(manifest));
  };

  const passing: Record<string, Behaviour> = {
    '429 without Retry-After': { kind: 'status', status: 429 },
    '429 with Retry-After': { kind: 'status', status: 429, headers: { 'retry-after-ms': '30' } },
    '500': { kind: 'status', status: 500 },
    '502 as HTML': { kind: 'status', status: 502, body: '<html>Bad Gateway</html>' },
    '503': { kind: 'status', status: 503 },
    'a connection that is reset': { kind: 'reset' },
    'no answer at all': { kind: 'hang' },
    'a slow trickle': { kind: 'trickle' },
    'half an answer': { kind: 'truncated' },
    'HTML in place of JSON': { kind: 'raw', body: '<html>Welcome</html>', contentType: 'text/html' },
    'no choices': { kind: 'answer', texts: [] },
  };
  for (const [name, behaviour] of Object.entries(passing)) {
    // Answers that never end are waited for; the others, on a busy machine, may take some time.
    const isEndless = behaviour.kind === 'hang' || behaviour.kind === 'trickle';
    const timeoutSeconds = isEndless ? 3 : 60;

    it(`retries after ${name}, and then has every judgment`, async () => {
      await start(3, {}, timeoutSeconds);
      run.endpoint.script(({ index }) => (index < 2 ? behaviour : good));
      await judge();
      assert.equal((await judgments()).length, EXAMPLES);
      assert.equal(run.endpoint.requests.length, EXAMPLES + 2);
    });

    it(`waits while ${name} lasts, sends few requests meanwhile, and then continues with the missing judgments`, async () => {
      await start(8, {}, timeoutSeconds);
      run.endpoint.script(({ index }) => (index < 3 ? good : behaviour));
      const judging = judge();
      await untilAsked(isEndless ? 5 : 9);
      const asked = run.endpoint.requests.length;
      await sleep(300 / HASTE);
      assert(run.endpoint.requests.length - asked <= 2, 'it is left alone');
      run.endpoint.script(() => good);
      await judging;
      assert.equal((await judgments()).length, EXAMPLES);
      const answered = run.endpoint.requests.slice(0, 3).map(({ body }) => JSON.stringify(body));
      const later = run.endpoint.requests.slice(3).map(({ body }) => JSON.stringify(body));
      assert(!later.some((body) => answered.includes(body)), 'what was answered is not asked for again');
    });
  }

  it('sends no more requests once retries have used up the limit of requests', async () => {
    await start(3);
    const ledger = run.deps.ledgers.forRun('test');
    await ledger.setLimits({ requests: 7 });
    run.endpoint.script(({ index }) => (index < 3 ? good : { kind: 'status', status: 429 }));
    const failure = await failureOf(judge());
    assert.match(failure.message, /the budget is used up: requests/);
    assert.equal(run.endpoint.requests.length, 7);
    assert.equal(ledger.usage(undefined).requests, 7);
  });

  it('leaves the retry of one failed request to Temporal if other requests are answered', async () => {
    await start(3);
    run.endpoint.script(({ body }) =>
      body.messages.some(({ content }) => content.includes('Question 1? (A) right'))
        ? { kind: 'status', status: 500 }
        : { ...good, afterMilliseconds: 20 },
    );
    const failure = await failureOf(judge());
    assert.equal(failure.name, 'EndpointUnavailable');
    assert.match(failure.message, /http:\/\/127\.0\.0\.1:\d+\/v1 gave no usable answer .*500/);
  });

  it('waits for an endpoint that refuses connections, until it is cancelled', async () => {
    await start(2);
    const gone = await startScriptedEndpoint();
    await gone.close();
    const endpoints = [{ baseUrl: gone.baseUrl, model: 'm' }];
    const { work, cancel } = cancellable(() =>
      judgePairs(run.deps, {
        ...{ run: run.run, iteration: 1, input, shard: 0 },
        model: { ...run.model, baseUrl: gone.baseUrl },
      }),
    );
    while (run.deps.inference.outage(endpoints) === undefined) await sleep(20);
    const silence = run.deps.inference.outage(endpoints);
    assert.match(
      silence?.text ?? '',
      /endpoint http:\S+ doesn't answer since \S+Z \(network: .*ECONNREFUSED.*asked again every 30 s/,
    );
    cancel();
    await assert.rejects(work, /CANCELLED|cancel/i);
  });

  it("passes the endpoint's Retry-After to Temporal, so that no shard is retried earlier", async () => {
    await start(1);
    run.endpoint.script(() => ({ kind: 'status', status: 429, headers: { 'retry-after': '400' } }));
    const failure = await failureOf(judge());
    assert(failure instanceof ApplicationFailure);
    assert.equal(failure.type, 'EndpointUnavailable');
    assert.match(failure.message, /The endpoint http:\S+ asks for no request until 20\d\d-\d\d-\d\dT\S+Z\.$/);
    const delay = Number(failure.nextRetryDelay);
    assert(delay >= 400_000 && delay <= 480_000, String(failure.nextRetryDelay));
  });

  it("retries once an hour if the endpoint's Retry-After is far in the future", async () => {
    await start(1);
    const details = { endpoint: 'http://e/v1', attempts: 1, retryAfterSeconds: 10 ** 9 };
    const failure = toTemporalFailure(new EndpointUnavailable('later', details));
    assert(failure instanceof ApplicationFailure);
    assert(Number(failure.nextRetryDelay) <= 1.2 * 3_600_000);
  });

  it('keeps a truncated judgment, which never counts as correct', async () => {
    await start(1);
    run.endpoint.script(() => ({ ...good, finishReason: 'length' }));
    await judge();
    const made = await judgments();
    assert.equal(made.length, EXAMPLES);
    assert(made.every(({ correct: right, finishReason }) => !right && finishReason === 'length'));
  });

  it('skips a record that the content filter rejects, with its reason, and continues', async () => {
    await start(1, { maxSkippedShare: 0.5 });
    const refusal: Behaviour = {
      kind: 'status',
      status: 400,
      error: { code: 'content_filter', message: 'no' },
    };
    run.endpoint.script(({ body }) =>
      body.messages.some(({ content }) => content.includes('Question 1?')) ? refusal : good,
    );
    const { counts } = await judge();
    assert.equal(counts['failed: content-filter'], 2);
    assert.equal((await judgments()).length, EXAMPLES - 2);
    const aside = await run.deps.store.readLines<SkippedRecord>(
      'test/iteration-1/judgments/shard-00000',
      'skipped.jsonl',
    );
    assert.deepEqual(
      aside.map(({ id, kind, reason }) => ({ id, kind, reason })),
      ['pair-1/better-first', 'pair-1/worse-first'].map((id) => ({
        id,
        kind: 'failed',
        reason: 'content-filter',
      })),
    );
  });

  it('fails if more records are skipped than the allowed share, with the three commonest reasons', async () => {
    await start(1, { maxSkippedShare: 0.5 });
    const refusals: Record<string, Behaviour> = {
      'Question 0?': { kind: 'status', status: 400, error: { code: 'content_filter', message: 'no' } },
      'Question 1?': { kind: 'status', status: 413, error: { message: 'no' } },
      'Question 2?': { kind: 'status', status: 400, error: { message: 'no' } },
    };
    run.endpoint.script(({ body }) => {
      const text = body.messages.map(({ content }) => content).join();
      return Object.entries(refusals).find(([question]) => text.includes(question))?.[1] ?? good;
    });
    const failure = await failureOf(judge());
    assert.equal(failure.name, 'TooManySkipped');
    assert.match(failure.message, /[56] of 8 units failed permanently, more than the allowed share of 0\.5/);
    for (const reason of ['content-filter', 'context-length', 'bad-request'])
      assert.match(failure.message, new RegExp(`failed: ${reason} [12]x`));
  });

  it('fails at once on an invalid key and on a model name that is not served', async () => {
    await start(3);
    run.endpoint.script(() => ({ kind: 'status', status: 401, error: { message: 'bad key' } }));
    const rejected = await failureOf(judge());
    assert.equal(rejected.name, 'AuthenticationFailed');
    assert.match(rejected.message, /doesn't accept the key: .*bad key/);
    run.endpoint.script(() => ({ kind: 'status', status: 404, error: { message: 'no such model' } }));
    const notFound = await failureOf(judge());
    assert.equal(notFound.name, 'ModelNotFound');
    assert.match(notFound.message, /doesn't serve the model/);
    assert(run.endpoint.requests.length <= 4, 'neither is tried again');
  });

  it("has the run's own model server checked if it does not answer or does not know the model, as during a restart", async () => {
    await start(1);
    for (const status of [404, 503]) {
      run.endpoint.script(() => ({ kind: 'status', status, error: { message: 'not now' } }));
      const failure = await failureOf(
        judge({
          servedFor: { iteration: 0, role: 'seed', machineQueue: 'gpu', inferenceQueue: 'inference' },
        }),
      );
      assert(failure instanceof ApplicationFailure);
      assert.equal(failure.type, 'ServerUnavailable');
      assert.equal(failure.nonRetryable, true);
    }
  });
});
