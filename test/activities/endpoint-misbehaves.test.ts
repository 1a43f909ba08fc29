import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { asFailure } from '../../src/activities/failures.ts';
import { judgePairs, type Judgment } from '../../src/activities/judge-pairs.ts';
import type { ServedModel, StageWaiting } from '../../src/activities/types.ts';
import type { ArtifactReference } from '../../src/artifacts/reference.ts';
import { referenceTo } from '../../src/artifacts/store.ts';
import type { SetAside } from '../../src/artifacts/resume-shard.ts';
import { createInferenceClient } from '../../src/inference/client.ts';
import { EndpointUnavailable } from '../../src/inference/errors.ts';
import { startScriptedEndpoint, type Behaviour } from '../inference/scripted-endpoint.ts';
import { asActivity, cancellable, startTestRun, type TestRun } from './test-run.ts';

const pairs = Array.from({ length: 4 }, (_, index) => ({
  id: `pair-${index}`,
  instruction: `Question ${index}?`,
  better: 'right',
  worse: 'wrong',
}));
const EXAMPLES = 2 * pairs.length;
const good: Behaviour = { kind: 'answer', texts: ['reasons [[A]]'] };

describe('a stage beside an endpoint that misbehaves', function () {
  this.timeout(30_000);
  let run: TestRun;
  let input: ArtifactReference;

  /** An endpoint that is asked `attempts` times, soon one after the other, each time for half a second at most. */
  async function start(attempts: number, inference: { maximumSetAsideShare?: number } = {}): Promise<void> {
    const started = await startTestRun({
      judging: { samples: 1 },
      inference: { requestsPerShard: 2, maximumSetAsideShare: 0, ...inference },
    });
    run = {
      ...started,
      deps: {
        ...started.deps,
        inference: createInferenceClient({
          inFlight: { minimum: 1, maximum: 4 },
          requestTimeoutSeconds: 0.5,
          retry: { attempts, initialSeconds: 0.01, maximumSeconds: 0.02 },
          environment: {},
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
    const manifest = await run.deps.store.manifest('test/iteration-1/judgments/shard-00000');
    assert(manifest !== undefined);
    return run.deps.store.records<Judgment>(referenceTo(manifest));
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
    it(`asks again after ${name}, and then has every judgment`, async () => {
      await start(3);
      run.endpoint.script(({ index }) => (index < 2 ? behaviour : good));
      await judge();
      assert.equal((await judgments()).length, EXAMPLES);
      assert.equal(run.endpoint.requests.length, EXAMPLES + 2);
    });

    it(`waits where ${name} lasts, asks little meanwhile, and goes on with what is missing`, async () => {
      await start(8);
      run.endpoint.script(({ index }) => (index < 3 ? good : behaviour));
      const judging = judge();
      await untilAsked(9);
      const asked = run.endpoint.requests.length;
      await sleep(300);
      assert(run.endpoint.requests.length - asked <= 2, 'it is left alone');
      run.endpoint.script(() => good);
      await judging;
      assert.equal((await judgments()).length, EXAMPLES);
      const answered = run.endpoint.requests.slice(0, 3).map(({ body }) => JSON.stringify(body));
      const later = run.endpoint.requests.slice(3).map(({ body }) => JSON.stringify(body));
      assert(!later.some((body) => answered.includes(body)), 'what was answered is not asked for again');
    });
  }

  it('sends no more where a limit in requests is reached by those that are sent again', async () => {
    await start(3);
    const ledger = run.deps.ledgers.of('test');
    await ledger.limit({ requests: 7 });
    run.endpoint.script(({ index }) => (index < 3 ? good : { kind: 'status', status: 429 }));
    const failure = await failureOf(judge());
    assert.match(failure.message, /the budget is spent: requests/);
    assert.equal(run.endpoint.requests.length, 7);
    assert.equal(ledger.spent(undefined).requests, 7);
  });

  it('leaves one request that fails while others are answered to Temporal, which may try again', async () => {
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

  it('waits for an endpoint that refuses connections, and stops waiting when it is told to', async () => {
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
    while (run.deps.inference.silence(endpoints) === undefined) await sleep(20);
    const silence = run.deps.inference.silence(endpoints);
    assert.match(
      silence?.text ?? '',
      /endpoint http:\S+ doesn't answer since \S+Z \(network: .*ECONNREFUSED.*asked again every 30 s/,
    );
    cancel();
    await assert.rejects(work, /CANCELLED|cancel/i);
  });

  it('tells Temporal how long the endpoint asked to be left alone, so that no shard comes back before', async () => {
    await start(1);
    run.endpoint.script(() => ({ kind: 'status', status: 429, headers: { 'retry-after': '400' } }));
    const failure = await failureOf(judge());
    assert(failure instanceof ApplicationFailure);
    assert.equal(failure.type, 'EndpointUnavailable');
    const delay = Number(failure.nextRetryDelay);
    assert(delay >= 400_000 && delay <= 480_000, String(failure.nextRetryDelay));
  });

  it('tells the run so too, until the next attempt finds the endpoint back', async () => {
    await start(1);
    const told: (string | undefined)[] = [];
    const tell = (_: string, { waits }: StageWaiting) => told.push(waits) > 0;
    const attempt = async (heartbeatDetails?: unknown): Promise<unknown> => {
      const environment = new MockActivityEnvironment(
        { heartbeatTimeoutMs: 10_000, heartbeatDetails },
        { logger: new DefaultLogger('ERROR') },
      );
      let last: unknown;
      environment.on('heartbeat', (details: unknown) => (last = details));
      await environment
        .run(() =>
          judgePairs(
            { ...run.deps, waiting: { tell } },
            { run: run.run, iteration: 1, model: run.model, input, shard: 0, runWorkflowId: 'run' },
          ),
        )
        .catch(() => undefined);
      return last;
    };
    run.endpoint.script(() => ({ kind: 'status', status: 429, headers: { 'retry-after': '20000' } }));
    const details = await attempt();
    assert.equal(told.length, 1);
    assert.match(
      told[0] ?? '',
      /^The endpoint http:\S+ asks to be left alone until 20\d\d-\d\d-\d\dT\S+Z\.$/,
    );
    run.endpoint.script(() => good);
    await attempt(details);
    assert.deepEqual(told.slice(1), [undefined]);
    assert.equal((await judgments()).length, EXAMPLES);
  });

  it('asks once an hour where the endpoint names a time far away', async () => {
    await start(1);
    const details = { endpoint: 'http://e/v1', attempts: 1, retryAfterSeconds: 10 ** 9 };
    const failure = asFailure(new EndpointUnavailable('later', details));
    assert(failure instanceof ApplicationFailure);
    assert(Number(failure.nextRetryDelay) <= 1.2 * 3_600_000);
  });

  it('does not keep a judgment that was cut off', async () => {
    await start(1);
    run.endpoint.script(() => ({ ...good, finishReason: 'length' }));
    await judge();
    const made = await judgments();
    assert.equal(made.length, EXAMPLES);
    assert(made.every(({ right, finishReason }) => !right && finishReason === 'length'));
  });

  it('sets a record aside that the content filter refuses, with its reason, and goes on', async () => {
    await start(1, { maximumSetAsideShare: 0.5 });
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
    const aside = await run.deps.store.lines<SetAside>(
      'test/iteration-1/judgments/shard-00000',
      'set-aside.jsonl',
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

  it('fails when more than the share is set aside, with the three commonest reasons', async () => {
    await start(1, { maximumSetAsideShare: 0.5 });
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
    assert.equal(failure.name, 'TooManySetAside');
    assert.match(failure.message, /[56] of 8 units failed for good, more than the allowed share of 0\.5/);
    for (const reason of ['content-filter', 'context-length', 'bad-request'])
      assert.match(failure.message, new RegExp(`failed: ${reason} [12]x`));
  });

  it('ends at once on a bad key and on a name that nobody serves', async () => {
    await start(3);
    run.endpoint.script(() => ({ kind: 'status', status: 401, error: { message: 'bad key' } }));
    const rejected = await failureOf(judge());
    assert.equal(rejected.name, 'EndpointRejected');
    assert.match(rejected.message, /doesn't let us in: .*bad key/);
    run.endpoint.script(() => ({ kind: 'status', status: 404, error: { message: 'no such model' } }));
    const notFound = await failureOf(judge());
    assert.equal(notFound.name, 'ModelNotFound');
    assert.match(notFound.message, /doesn't serve the model/);
    assert(run.endpoint.requests.length <= 4, 'neither is tried again');
  });

  it('has a server of ours looked after where it is gone or does not know the name: it may be on its way back', async () => {
    await start(1);
    for (const status of [404, 503]) {
      run.endpoint.script(() => ({ kind: 'status', status, error: { message: 'not now' } }));
      const failure = await failureOf(judge({ servedFor: { iteration: 0, role: 'seed' } }));
      assert(failure instanceof ApplicationFailure);
      assert.equal(failure.type, 'ServerUnavailable');
      assert.equal(failure.nonRetryable, true);
    }
  });
});
