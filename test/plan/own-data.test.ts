import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRun, type ConfigurationInput } from '../../src/client.ts';
import { readConfiguration } from '../../src/config/read-configuration.ts';
import { readAssumption } from '../../src/plan/assumptions.ts';
import type { Conversation } from '../../src/plan/count-tokens.ts';
import { readPlanInputs } from '../../src/plan/plan-inputs.ts';
import { measurePrompts } from '../../src/plan/prompt-sizes.ts';
import {
  startScriptedEndpoint,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../inference/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../workflows/cluster.ts';
import { answersTo, asksForVerdict, readyInput } from '../workflows/ready-inputs.ts';
import { assertWithinTwo, planDependencies, plannedRequests, planOf } from './plan-of.ts';

const isEvaluation = ({ body }: { readonly body: RecordedRequest['body'] & { temperature?: number } }) =>
  body.temperature === 0;
const textOf = (conversation: unknown) => JSON.stringify(conversation);

describe('the plan of a run on data of the user’s own', function () {
  this.timeout(500_000);
  let endpoint: ScriptedEndpoint;
  let cluster: Cluster;
  let empty: string;

  before(async () => {
    const script = (request: RecordedRequest) =>
      ({ kind: 'answer', texts: answersTo(request), finishReason: 'stop' }) as const;
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

  /** What a run asks; the single tokens of checks aside. */
  async function askedBy(input: ConfigurationInput): Promise<RecordedRequest[]> {
    const first = endpoint.requests.length;
    await (await startRun(cluster.client, input)).result();
    return endpoint.requests.slice(first).filter(({ body }) => body.max_tokens !== 1);
  }

  /** The prompts that a plan counts. */
  async function measured(input: ConfigurationInput): Promise<readonly Conversation[]> {
    const { configuration } = readConfiguration(input);
    assert(configuration !== undefined);
    const inputs = await readPlanInputs({ ...planDependencies(empty), python: '' }, configuration);
    assert(inputs.prompts !== undefined);
    const { source, benchmarks } = inputs;
    const seen: Conversation[] = [];
    await measurePrompts(
      configuration,
      inputs.prompts,
      { source, missing: 0, benchmarks },
      async (_checkpoint, conversations) => {
        seen.push(...conversations);
        return { counts: conversations.map(() => 1), by: { kind: 'tokenizer', folder: '' } };
      },
    );
    return seen;
  }

  describe('pairs that are given (own-pairs.json)', () => {
    let input: ConfigurationInput;

    before(async () => {
      input = { ...(await readyInput('own-pairs.json', endpoint.baseUrl)), iterations: 1 };
    });

    it('begins at judging: nothing is generated, and no length of a response is assumed', async () => {
      const plan = await planOf(input, join(empty, 'store'));
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
        ['judgmentTokens', 'verdictTokens', 'rightShare'],
      );
      assert.deepEqual(plan.uncounted, []);
      assert.deepEqual(
        plan.missing.map(({ path }) => path),
        ['python'],
      );
      assert(plan.notes.every((note) => !note.includes('preparePairs')));
    });

    it('asks a probe for verdicts alone', async () => {
      const first = endpoint.requests.length;
      const plan = await planOf(input, join(empty, 'store'), { probeSeconds: 30 });
      assert.equal(plan.probe?.problem, undefined);
      const asked = endpoint.requests.slice(first).filter(({ body }) => body.max_tokens !== 1);
      assert(asked.length > 100 && asked.every(asksForVerdict));
      assert.deepEqual(
        plan.assumptions.filter(({ from }) => from === 'probe').map(({ name }) => name),
        ['judgmentTokens', 'verdictTokens'],
      );
    });

    it('counts the prompts that the run sends, then finds all of it in the store', async () => {
      const plan = await planOf(input, join(empty, 'store'));
      const prompts = await measured(input);
      const asked = await askedBy(input);
      const sent = new Set(asked.map(({ body }) => textOf(body.messages)));
      assert(prompts.length > 200);
      for (const prompt of prompts) assert(sent.has(textOf(prompt)), textOf(prompt));
      assertWithinTwo(
        plannedRequests(plan, 'evaluateJudge'),
        asked.filter(isEvaluation).length,
        'evaluateJudge',
      );
      const judged = asked.filter((request) => !isEvaluation(request)).length;
      assertWithinTwo(plannedRequests(plan, 'judgePairs'), judged, 'judgePairs');

      const again = await planOf(input, cluster.storeRoot);
      assert.deepEqual(
        again.stages.map(({ reused }) => reused),
        again.stages.map(() => 1),
      );
      assert.equal(again.earlierRun, 'own-pairs');
      assert.equal(again.rates['generatePairs'], undefined);
    });

    it('does the pairs again where they are other ones, or where it is told to', async () => {
      const redone = await planOf({ ...input, redo: '0/prepare-pairs' }, cluster.storeRoot);
      assert(redone.stages.every(({ reused }) => reused === 0));
      const fewer = { ...input, pairs: { ...input.pairs, maximum: 100 } } as ConfigurationInput;
      const changed = await planOf(fewer, cluster.storeRoot);
      assert.equal(changed.counts?.pairs, 100);
      assert.match(
        changed.missing.at(-1)?.message ?? '',
        /pairs.*made from something else.*maximum was null/,
      );
    });

    it('takes a number for pairs that are not there yet', async () => {
      const pairs = { kind: 'given' as const, files: ['nowhere/*.parquet'] };
      const unknown = await planOf({ ...input, pairs }, join(empty, 'store'));
      assert.deepEqual(unknown.stages, []);
      assert(unknown.missing.some(({ path }) => path === 'pairs.files.0'));
      const assumptions = Object.fromEntries([readAssumption('pairs=1000')]);
      const { counts, assumptions: used } = await planOf({ ...input, pairs }, join(empty, 'store'), {
        assumptions,
      });
      assert.deepEqual(counts, { pairs: 1000, humanPairs: 0 });
      assert.deepEqual(
        used.slice(0, 3).map(({ name }) => name),
        ['pairs', 'instructionTokens', 'responseTokens'],
      );
    });
  });

  it('counts conversations as they are asked, and human pairs of several files (own-conversations.json)', async () => {
    const input: ConfigurationInput = {
      ...(await readyInput('own-conversations.json', endpoint.baseUrl)),
      iterations: 1,
      filtering: {
        humanData: [{ name: 'ours', path: 'examples/own-data/pairs/trl-*', layout: 'auto', weight: 1 }],
      },
    };
    const plan = await planOf(input, join(empty, 'store'));
    const { rows, selected, humanPairs } = plan.counts ?? {};
    assert.deepEqual([rows, selected, humanPairs], [28, 28, 120]);
    assert.equal(plannedRequests(plan, 'generatePairs'), 56);

    const sent = (await askedBy(input)).filter((request) => !asksForVerdict(request));
    const prompts = new Set((await measured(input)).map(textOf));
    // What asks for a response shows none, so that it is known before.
    const known = sent.filter(({ body }) => prompts.has(textOf(body.messages)));
    assert.deepEqual([sent.length, known.length], [56, 28]);
    assert(
      known.some(({ body }) => body.messages.length > 2),
      'some go on with a conversation',
    );

    const again = await planOf(input, cluster.storeRoot);
    assert.deepEqual(
      again.stages.map(({ reused }) => reused),
      again.stages.map(() => 1),
    );
  });
});
