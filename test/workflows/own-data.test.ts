import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conversationText } from '../../src/method/conversation.ts';
import type { ChatMessage } from '../../src/method/prompt-template.ts';
import {
  startEvaluation,
  startRun,
  type ConfigurationInput,
  type JudgeEvaluationConfigurationInput,
  type RunResult,
} from '../../src/client/index.ts';
import type { TrainingRow } from '../../src/reporting/exports/training-rows.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type RecordedRequest,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { answersFor, asksForVerdict, readyInput } from '../support/ready-inputs.ts';
import { isJudgeRequest } from '../support/scripted-run.ts';

const isSeedEvaluated = ({ model, temperature }: RecordedRequest['body'] & { temperature?: number }) =>
  model === 'judge-0' && temperature === 0;

async function linesOf<T>(...path: string[]): Promise<T[]> {
  const text = await readFile(join(...path), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

describe('a run on the user’s own data', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;

  before(async () => {
    cluster = await startCluster();
    cluster.startWorker();
    await mkdir(cluster.storeRoot, { recursive: true });
    endpoint = await startScriptedEndpoint({
      // The seed judge gives no verdict in its evaluation, so that a trained judge is better.
      script: (request) => ({
        kind: 'answer',
        texts: isSeedEvaluated(request.body) ? ['both are fine'] : answersFor(request),
        finishReason: 'stop',
      }),
    });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  const ready = (file: string) => readyInput(file, endpoint.baseUrl);
  const requestsSince = (first: number) =>
    endpoint.requests.slice(first).filter(({ body }) => !isCanary(body));
  const trainingRows = (run: string, iteration: number) =>
    linesOf<TrainingRow>(
      cluster.storeRoot,
      `${run}/outputs/datasets/iteration-${iteration}`,
      'records.jsonl',
    );
  const fileOf = (...path: string[]) => readFile(join(cluster.storeRoot, ...path), 'utf8');

  describe('pairs in all formats (own-pairs.json)', () => {
    let result: RunResult;
    let requests: RecordedRequest[];

    before(async () => {
      const first = endpoint.requests.length;
      result = await (await startRun(cluster.client, await ready('own-pairs.json'))).result();
      requests = requestsSince(first);
    });

    it('starts at judging: models are only asked for verdicts', () => {
      assert(requests.length > 600);
      assert(requests.every(asksForVerdict));
      assert.deepEqual(Object.keys(result.iterations[0]?.counts ?? {}).sort(), [
        'own',
        'preparePairs',
        'validation',
      ]);
    });

    it('judges every pair of every file in each iteration, in both orders', () => {
      const [seed, ...trained] = result.iterations;
      assert.deepEqual(seed?.counts['preparePairs'], { rows: 300, pairs: 300, skipped: 0 });
      assert.equal(trained.length, 2);
      for (const { counts } of trained) assert.equal(counts['filterJudgments']?.['examples'], 600);
    });

    it('trains on the verdicts in the files, and records the source of each pair', async () => {
      const rows = await trainingRows('own-pairs', 1);
      assert(rows.length > 100);
      for (const { verdict, better_side: better, source } of rows)
        assert.deepEqual([verdict, source], [better, 'provided']);
      const plain = await linesOf<{ prompt: string; chosen: string; subset: string }>(
        packageRoot,
        'examples/own-data/pairs/plain.jsonl',
      );
      const known = plain.flatMap(({ prompt, chosen, subset }) =>
        rows
          .filter(({ prompt: [message] }) => message?.content.includes(prompt))
          .map((row) => ({ row, chosen, subset })),
      );
      assert(known.length > 20);
      for (const { row, chosen, subset } of known) {
        assert.equal(row.category, subset);
        assert(row.prompt[0]?.content.includes(`(${row.better_side}) ${chosen}`), row.id);
      }
    });

    it('has a report, a model card and a data set card that name the files as the source', async () => {
      const report = await fileOf(result.report);
      assert(report.includes('From files of pairs to training examples'));
      assert(/<option value="count-even"/.test(report), 'the subsets are categories to filter by');
      assert(!/<th[^>]*>(Instructions|Selected)</.test(report));
      const datasets = await fileOf('own-pairs/outputs/datasets/README.md');
      assert.match(datasets, /on preference pairs, by the method/);
      assert(result.best > 0);
      const card = await fileOf('own-pairs/outputs/model/README.md');
      assert.match(card, /on labelled preference pairs/);
      assert.doesNotMatch(card, /without human labels/);
    });

    it('evaluates on an own benchmark, by subset, from a folder of files', () => {
      for (const { evaluations } of result.iterations)
        assert.equal(evaluations.find(({ benchmark }) => benchmark === 'own')?.pairs, 72);
    });
  });

  it('skips unusable rows and overlaps with a benchmark, each with file, row and reason', async () => {
    const file = join(cluster.storeRoot, 'bad.jsonl');
    const [tested] = await linesOf<{ prompt: string }>(
      packageRoot,
      'examples/own-data/benchmark/plain.jsonl',
    );
    const good = Array.from({ length: 40 }, (_, index) => ({
      prompt: `Name number ${index} of the list that you know, the one which we spoke about yesterday.`,
      chosen: 'yes',
      rejected: 'no',
    }));
    const rows = [
      ...good,
      { prompt: 'Half?', chosen: 'yes' },
      { prompt: 'Same?', chosen: 'yes', rejected: 'yes' },
      { prompt: tested?.prompt, chosen: 'yes', rejected: 'no' },
      good[0],
      { prompt: 'Sure?', chosen: 'yes', rejected: 'no' },
      { prompt: 'Sure?', chosen: 'no', rejected: 'yes' },
    ];
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const configuration: ConfigurationInput = {
      ...(await ready('own-pairs.json')),
      runName: 'bad-rows',
      iterations: 1,
      pairs: { kind: 'provided', files: [file] },
    };
    const result = await (await startRun(cluster.client, configuration)).result();
    assert.deepEqual(result.iterations[0]?.counts['preparePairs'], {
      rows: 46,
      pairs: 40,
      skipped: 6,
      'failed: no field "rejected"': 1,
      'dropped: equal responses': 1,
      'dropped: overlaps with benchmark own': 1,
      'dropped: duplicate': 1,
      'dropped: contradicted by another row': 2,
    });
    const setAside = await linesOf<{ id: string; reason: string }>(
      cluster.storeRoot,
      'bad-rows/pairs/index/skipped.jsonl',
    );
    assert(setAside.some(({ id, reason }) => id === `${file} row 40` && reason === 'no field "rejected"'));
    const report = await fileOf(result.report);
    assert(report.includes('bad.jsonl row 40'));
  });

  it('is rejected before any work if the columns fit no format, or if sections contradict each other', async () => {
    const file = join(cluster.storeRoot, 'columns.jsonl');
    await writeFile(file, '{"question":"?","good":"a","bad":"b"}\n');
    const configuration = { ...(await ready('own-pairs.json')), runName: 'refused' };
    const start = (changes: Partial<ConfigurationInput>) =>
      startRun(cluster.client, { ...configuration, ...changes }).then((run) => run.result());
    await assert.rejects(start({ pairs: { kind: 'provided', files: [file] } }), (error: Error) => {
      assert.match(
        String((error.cause as Error).message),
        /pairs\.files\.0: .*columns\.jsonl: has the columns "question", "good", "bad", which fit no format; the formats are preference/,
      );
      return true;
    });
    await assert.rejects(start({ instructions: { pool: ['embedded/instructions.jsonl'] } }), {
      message: /instructions: set, but pairs\.kind is "provided"/,
    });
  });

  describe('conversations with system prompts (own-conversations.json)', () => {
    let conversations: ChatMessage[][];
    let result: RunResult;
    let requests: RecordedRequest[];

    before(async () => {
      const rows = await linesOf<{ messages: ChatMessage[] }>(
        packageRoot,
        'examples/own-data/conversations.jsonl',
      );
      conversations = rows.map(({ messages }) => messages);
      const first = endpoint.requests.length;
      result = await (await startRun(cluster.client, await ready('own-conversations.json'))).result();
      requests = requestsSince(first);
    });

    it('are sent as chats', () => {
      const asked = new Set(requests.map(({ body }) => JSON.stringify(body.messages)));
      for (const conversation of conversations)
        assert(asked.has(JSON.stringify(conversation)), JSON.stringify(conversation));
    });

    it('have the request for a similar instruction in place of their last turn', () => {
      const similar = requests.filter(({ body }) =>
        body.messages.at(-1)?.content.startsWith('Below is an instruction'),
      );
      assert.equal(similar.length, conversations.length);
      for (const conversation of conversations) {
        const before = conversation.slice(0, -1);
        const one = similar.find(({ body }) =>
          body.messages.at(-1)?.content.includes(`\n${conversation.at(-1)?.content}\n[The End of the Instr`),
        );
        assert.deepEqual(one?.body.messages.slice(0, -1), before);
      }
    });

    it('are shown to the judge as text with speakers, also in training', async () => {
      const shown = conversations.map((turns) => `[User Question]\n${conversationText(turns)}\n`);
      assert(shown.some((text) => /System: .*\n\nUser: .*\n\nAssistant: .*\n\nUser: /.test(text)));
      const judged = requests.filter(({ body }) => isJudgeRequest(body));
      for (const text of shown)
        assert(
          judged.some(({ body }) => body.messages.at(-1)?.content.includes(text)),
          text,
        );
      const rows = await trainingRows('own-conversations', 1);
      assert(rows.length >= 16);
      for (const { prompt } of rows) assert(shown.some((text) => prompt.at(-1)?.content.includes(text)));
      assert((await fileOf(result.report)).includes('System: You answer in one sentence.'));
    });

    it('are evaluated on pairs of conversations', () => {
      const [seed] = result.iterations;
      assert.equal(seed?.evaluations[0]?.pairs, 10);
      const json =
        '[User Question]\nSystem: You reply with JSON alone: {"answer": ...}.\n\nUser: What is the capital of Kenya?\n';
      assert(requests.some(({ body }) => body.messages.at(-1)?.content.includes(json)));
    });
  });

  it('evaluates a judge without training on own pairs (evaluate-own-pairs.json)', async () => {
    const path = join(packageRoot, 'temporal/inputs/evaluate-own-pairs.json');
    const { model: _model, ...input } = JSON.parse(
      await readFile(path, 'utf8'),
    ) as JudgeEvaluationConfigurationInput;
    const serving = { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'some-judge' } as const;
    const evaluation = await startEvaluation(cluster.client, { ...input, serving });
    const { evaluations } = await evaluation.result();
    assert.equal(evaluations[0]?.pairs, 72);
    const report = await fileOf('evaluate-own-pairs/report.html');
    assert(report.includes('second-largest'));
  });
});
