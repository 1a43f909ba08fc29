import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRun, type ConfigurationInput } from '../../src/client/index.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { AssumptionsInUse, parseAssumption } from '../../src/estimate/assumptions.ts';
import { readEstimateInputs } from '../../src/estimate/estimate-inputs.ts';
import { measurePrompts, type Conversation } from '../../src/estimate/prompts.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { answersFor, asksForVerdict, readyInput } from '../support/ready-inputs.ts';
import {
  assertWithinFactorTwo,
  planDependencies,
  plannedRequests,
  makeTestPlan,
} from '../support/test-plan.ts';

const isEvaluation = ({ body }: { readonly body: RecordedRequest['body'] & { temperature?: number } }) =>
  body.temperature === 0;
const textOf = (conversation: unknown) => JSON.stringify(conversation);

describe('the estimate of a run on the user’s own data', function () {
  this.timeout(500_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let empty: string;

  before(async () => {
    const script = (request: RecordedRequest) =>
      ({ kind: 'answer', texts: answersFor(request), finishReason: 'stop' }) as const;
    endpoint = await startScriptedEndpoint({ script });
    cluster = await startCluster();
    cluster.startWorker();
    empty = await mkdtemp(join(tmpdir(), 'plan-'));
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(empty, { recursive: true, force: true });
  });

  /** Does a run. Returns its requests without the checks, which ask for one token. */
  async function requestsOfRun(input: ConfigurationInput): Promise<RecordedRequest[]> {
    const first = endpoint.requests.length;
    await (await startRun(cluster.client, input)).result();
    return endpoint.requests.slice(first).filter(({ body }) => !isCanary(body));
  }

  /** The prompts whose tokens an estimate counts. */
  async function measuredPrompts(input: ConfigurationInput): Promise<readonly Conversation[]> {
    const { configuration } = parseConfiguration(input);
    assert(configuration !== undefined);
    const inputs = await readEstimateInputs(planDependencies(empty), configuration);
    const { prompts, source, benchmarks } = inputs;
    assert(prompts !== undefined);
    const seen: Conversation[] = [];
    await measurePrompts(
      { configuration, prompts },
      { source, benchmarks, tasks: [] },
      new AssumptionsInUse({}),
      async (_checkpoint, conversations) => {
        seen.push(...conversations);
        return { counts: conversations.map(() => 1), by: { kind: 'tokenizer', folder: '' } };
      },
    );
    return seen;
  }

  describe('provided pairs (own-pairs.json)', () => {
    let input: ConfigurationInput;

    before(async () => {
      input = { ...(await readyInput('own-pairs.json', endpoint.baseUrl)), iterations: 1 };
    });

    it('begins at judging: nothing is generated, and no length of a response is assumed', async () => {
      const plan = await makeTestPlan(input, join(empty, 'store'));
      assert.deepEqual(plan.counts, { rows: 300, pairs: 300, humanPairs: 0 });
      assert.deepEqual(
        plan.stages.map(({ iteration, stage, benchmark = '' }) =>
          `${iteration} ${stage} ${benchmark}`.trim(),
        ),
        [
          '0 preparePairs',
          ...[0, 1].flatMap((iteration) => [
            ...(iteration === 0 ? [] : [`${iteration} judgePairs`, `${iteration} fineTune`]),
            `${iteration} evaluateJudge validation`,
            `${iteration} evaluateJudge own`,
          ]),
        ],
      );
      assert.equal(plannedRequests(plan, 'preparePairs'), 0);
      assert.deepEqual(
        plan.assumptions.map(({ name }) => name),
        ['judgmentTokens', 'verdictTokens', 'correctShare'],
      );
      assert.deepEqual(plan.uncounted, []);
      assert.deepEqual(
        plan.missing.map(({ path }) => path),
        ['python'],
      );
      assert(plan.notes.every((note) => !note.includes('preparePairs')));
    });

    it('probes judgments only', async () => {
      const first = endpoint.requests.length;
      const plan = await makeTestPlan(input, join(empty, 'store'), { probeSeconds: 30 });
      assert.equal(plan.probe?.problem, undefined);
      const asked = endpoint.requests.slice(first).filter(({ body }) => !isCanary(body));
      assert(asked.length > 100 && asked.every(asksForVerdict));
      assert.deepEqual(
        plan.assumptions.filter(({ from }) => from === 'probe').map(({ name }) => name),
        ['judgmentTokens', 'verdictTokens'],
      );
    });

    it('counts the same prompts as the run sends, then finds the whole run in the store', async () => {
      const plan = await makeTestPlan(input, join(empty, 'store'));
      const prompts = await measuredPrompts(input);
      const asked = await requestsOfRun(input);
      const sent = new Set(asked.map(({ body }) => textOf(body.messages)));
      assert(prompts.length > 200);
      for (const prompt of prompts) assert(sent.has(textOf(prompt)), textOf(prompt));
      assertWithinFactorTwo(
        plannedRequests(plan, 'evaluateJudge'),
        asked.filter(isEvaluation).length,
        'evaluateJudge',
      );
      const judged = asked.filter((request) => !isEvaluation(request)).length;
      assertWithinFactorTwo(plannedRequests(plan, 'judgePairs'), judged, 'judgePairs');

      const again = await makeTestPlan(input, cluster.storeRoot);
      assert.deepEqual(
        again.stages.map(({ reused }) => reused),
        again.stages.map(() => 1),
      );
      assert.equal(again.earlierRun, 'own-pairs');
      assert.equal(again.rates['generatePairs'], undefined);
    });

    it('prepares pairs again if rerunFrom names that stage, and reports other pairs', async () => {
      const redone = await makeTestPlan({ ...input, rerunFrom: '0/preparePairs' }, cluster.storeRoot);
      assert(redone.stages.every(({ reused }) => reused === 0));
      const fewer = { ...input, pairs: { ...input.pairs, maxPairs: 100 } } as ConfigurationInput;
      const changed = await makeTestPlan(fewer, cluster.storeRoot);
      assert.equal(changed.counts?.pairs, 100);
      assert.match(changed.missing.at(-1)?.message ?? '', /pairs.*made with other inputs.*maxPairs was null/);
    });

    it('uses an assumed number of pairs if their files do not exist yet', async () => {
      const pairs = { kind: 'provided' as const, files: ['nowhere/*.parquet'] };
      const unknown = await makeTestPlan({ ...input, pairs }, join(empty, 'store'));
      assert.deepEqual(unknown.stages, []);
      assert(unknown.missing.some(({ path }) => path === 'pairs.files.0'));
      const assumptions = Object.fromEntries([parseAssumption('pairs=1000')]);
      const { counts, assumptions: used } = await makeTestPlan({ ...input, pairs }, join(empty, 'store'), {
        assumptions,
      });
      assert.deepEqual(counts, { pairs: 1000, humanPairs: 0 });
      assert.deepEqual(
        used.slice(0, 3).map(({ name }) => name),
        ['pairs', 'instructionTokens', 'responseTokens'],
      );
    });
  });

  it('counts conversations as chats, and human pairs of several files (own-conversations.json)', async () => {
    const input: ConfigurationInput = {
      ...(await readyInput('own-conversations.json', endpoint.baseUrl)),
      iterations: 1,
      filtering: {
        humanData: [{ name: 'ours', path: 'examples/own-data/pairs/trl-*', format: 'auto', weight: 1 }],
      },
    };
    const plan = await makeTestPlan(input, join(empty, 'store'));
    const { rows, selected, humanPairs } = plan.counts ?? {};
    assert.deepEqual([rows, selected, humanPairs], [28, 28, 120]);
    assert.equal(plannedRequests(plan, 'generatePairs'), 56);

    const sent = (await requestsOfRun(input)).filter((request) => !asksForVerdict(request));
    const prompts = new Set((await measuredPrompts(input)).map(textOf));
    // Requests for a better response are known before the run; those for similar instructions' responses are not.
    const expected = sent.filter(({ body }) => prompts.has(textOf(body.messages)));
    assert.deepEqual([sent.length, expected.length], [56, 28]);
    assert(
      expected.some(({ body }) => body.messages.length > 2),
      'some continue a conversation',
    );

    const again = await makeTestPlan(input, cluster.storeRoot);
    assert.deepEqual(
      again.stages.map(({ reused }) => reused),
      again.stages.map(() => 1),
    );
  });
});
