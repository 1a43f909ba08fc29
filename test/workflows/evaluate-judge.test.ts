import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import type { JudgeEvaluationResult } from '../../src/api/result.ts';
import { failureMessage, type RunProgress } from '../../src/client/index.ts';
import { isCanary, startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';
import { fencedBlocks } from '../docs/fenced-blocks.ts';
import { startCluster, type Cluster, type WorkerProcess } from '../support/cluster.ts';
import { letterLogprobs } from '../support/sample-judge.ts';
import { packageRoot } from '../../src/platform/package-root.ts';

describe('evaluateJudge without a run', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let worker: WorkerProcess;

  before(async () => {
    cluster = await startCluster();
    endpoint = await startScriptedEndpoint({
      // A judge that always prefers the first answer, of two or of four, and rates everything 7.
      script: () => ({ kind: 'answer', texts: ['I prefer [[A]]. 7'], finishReason: 'stop' }),
    });
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  const start = (workflowId: string, input: unknown) =>
    cluster.client.workflow.start('evaluateJudge', {
      workflowId,
      taskQueue: cluster.taskQueue,
      args: [input],
    });

  async function refusal(workflowId: string, input: unknown): Promise<ApplicationFailure> {
    const error: unknown = await (await start(workflowId, input)).result().catch((thrown: unknown) => thrown);
    assert(error instanceof WorkflowFailedError, String(error));
    assert(error.cause instanceof ApplicationFailure, String(error.cause));
    return error.cause;
  }

  function atEndpoint(runName: string, benchmarks: object[]) {
    return {
      runName,
      serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'some-judge' },
      evaluation: { benchmarks },
    };
  }
  const fixture = (file: string) => join('test/fixtures/benchmarks', file);

  it('needs no gpu worker if an endpoint serves the judge, and writes every verdict and a report', async () => {
    worker = cluster.startWorker('--roles', 'workflow,inference');
    const handle = await start(
      'hosted',
      atEndpoint('hosted', [
        { name: 'best-of-four', format: 'reward-bench-2', path: fixture('reward-bench-2.parquet') },
        { name: 'styles', format: 'rm-bench', path: fixture('rm-bench/total_dataset.json') },
        { name: 'people', format: 'mt-bench', path: fixture('mt-bench') },
      ]),
    );
    const result = (await handle.result()) as JudgeEvaluationResult;
    const [four, styles, people] = result.evaluations;
    assert.deepEqual([four?.benchmark, four?.purpose, four?.pairs], ['best-of-four', 'test', 4]);
    assert.equal(four?.shareOfA, 1);
    assert.deepEqual([styles?.accuracy, styles?.positionConsistentAccuracy, styles?.pairs], [0.5, 0, 36]);
    assert.equal(people?.official?.name, 'agreement with humans, turn 1, all votes (S1)');
    assert((people?.tokens?.prompt ?? 0) > 0);
    assert.match(result.warnings.join('\n'), /best-of-four: .*4 rows, but RewardBench 2 has test 1865/);
    assert.match(
      result.table,
      /\| styles \| 50\.0% \(overall, both orders\) \| 50\.0% \| 0\.0% \| 100\.0% \|/,
    );

    const stored = await readFile(join(cluster.storeRoot, 'hosted/result.json'), 'utf8');
    assert.deepEqual(JSON.parse(stored), result);
    const report = await readFile(join(cluster.storeRoot, result.report), 'utf8');
    assert.match(report, /The judge’s accuracy is/);
    assert.match(report, /agreement with humans, turn 1, no ties \(S2\)/);
    const verdicts = await readFile(
      join(cluster.storeRoot, 'hosted/iteration-0/evaluation/best-of-four/shard-00000/records.jsonl'),
      'utf8',
    );
    const lines = verdicts
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { slot: string; verdict: string });
    assert.equal(lines.length, 4 + 4 + 3 + 5);
    assert.deepEqual([...new Set(lines.map(({ verdict }) => verdict))].sort(), ['7', 'A']);
    const progress = await handle.query<RunProgress>('progress');
    assert.equal(progress.status, 'completed');
    assert.deepEqual(progress.stages, []);
  });

  it('fits one temperature of the probabilities on the validation benchmark, for every benchmark that has them', async () => {
    const alwaysA = { kind: 'answer', texts: ['I prefer [[A]]. 7'], finishReason: 'stop' } as const;
    const { content } = letterLogprobs('A', 0.8);
    endpoint.script(({ body }) =>
      body.logprobs === true ? { ...alwaysA, texts: ['[[A]]'], logprobs: [{ content }] } : alwaysA,
    );
    const pairs = { format: 'pairs', path: fixture('pairs.jsonl') };
    const handle = await start(
      'probable',
      atEndpoint('probable', [
        { name: 'plain', ...pairs },
        { name: 'held-out', ...pairs, probabilities: true },
        { name: 'dev', ...pairs, purpose: 'validation', probabilities: true },
      ]),
    );
    const { evaluations, report } = (await handle.result()) as JudgeEvaluationResult;
    const [plain, heldOut, dev] = evaluations.map(({ calibration }) => calibration);
    assert.equal(plain, undefined);
    assert.deepEqual([heldOut?.verdicts, heldOut?.brierScore?.toFixed(6)], [4, '0.340000']);
    assert((heldOut?.temperature ?? 0) > 50 && heldOut?.temperature === dev?.temperature);
    assert(Math.abs((heldOut?.calibratedBrierScore ?? 0) - 0.25) < 1e-3);
    const page = await readFile(join(cluster.storeRoot, report), 'utf8');
    assert.equal(page.match(/<h3>Probabilities of verdicts/g)?.length, 2);
  });

  it('measures the agreement with people and the biases on own pairs that several raters have labelled', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rated-pairs-'));
    const path = join(folder, 'rated.jsonl');
    const rows = Array.from({ length: 12 }, (_, row) => ({
      instruction: `question ${row}`,
      responseA: 'one response',
      responseB: 'another, much longer response',
      betterSide: row % 2 === 0 ? 'A' : 'B',
      raters: { anna: row % 2 === 0 ? 'A' : 'B', ben: row === 0 ? 'tie' : row % 2 === 0 ? 'A' : 'B' },
      modelA: 'Llama-3',
      modelB: 'gpt-4',
    }));
    await writeFile(path, rows.map((row) => JSON.stringify(row)).join('\n'));
    const { evaluation, ...input } = atEndpoint('rated', [
      { name: 'own', format: 'pairs', path, purpose: 'test' },
    ]);
    const handle = await start('rated', { ...input, evaluation: { ...evaluation, judgeFamily: 'llama' } });
    const result = (await handle.result()) as JudgeEvaluationResult;
    await rm(folder, { recursive: true });
    // The judge always names the first response: in both orders together, every verdict is a tie.
    const { agreement, official } = result.evaluations[0] ?? {};
    assert.deepEqual([agreement?.raters, agreement?.pairs, agreement?.accuracy], [2, 11, 0]);
    assert(agreement !== undefined && agreement.accuracyInterval.high > 0.2);
    assert.equal(official?.value, 0.5);
    assert(official.interval !== undefined && official.interval.low < 0.5);
    const report = await readFile(join(cluster.storeRoot, result.report), 'utf8');
    assert.match(report, /Agreement with people/);
    assert.match(report, /The judge prefers the response that it sees first: 100\.0% of verdicts/);
    assert.match(report, /Own family/);
  });

  it('returns its result at once when it is started again, and rejects another configuration under the same name', async () => {
    // Preflight asks for one token.
    const judged = () => endpoint.requests.filter(({ body }) => !isCanary(body)).length;
    const asked = judged();
    const input = atEndpoint('hosted', [
      { name: 'best-of-four', format: 'reward-bench-2', path: fixture('reward-bench-2.parquet') },
      { name: 'styles', format: 'rm-bench', path: fixture('rm-bench/total_dataset.json') },
      { name: 'people', format: 'mt-bench', path: fixture('mt-bench') },
    ]);
    await (await start('hosted-again', input)).result();
    assert.equal(judged(), asked);
    const other = { ...input, serving: { ...input.serving, servedModelName: 'another-judge' } };
    const handle = await start('hosted-other', other);
    const error: unknown = await handle.result().catch((thrown: unknown) => thrown);
    assert.match(failureMessage(error), /hosted\/.* was made with other inputs: model was/);
  });

  it('reports all problems at once, by the fields of its configuration', async () => {
    const { runName: _runName, ...rest } = atEndpoint('wrong', [
      { name: 'a', format: 'judge-bench', path: fixture('rm-bench/total_dataset.json') },
      { name: 'a', format: 'pairs', path: 'no-such-file.jsonl' },
      { name: 'c', format: 'mt-bench', path: fixture('mt-bench'), prompt: 'prompts/pairwise' },
      { name: 'd', format: 'llmbar', path: fixture('llmbar'), probabilities: true },
      { name: 'e', format: 'llmbar-pairwise', path: fixture('llmbar'), probabilities: true },
    ]);
    const wrong = { ...rest, iterations: 3, evaluation: { ...rest.evaluation, votes: 5 } };
    const { details, type, nonRetryable } = await refusal('wrong', wrong);
    assert.deepEqual([type, nonRetryable], ['InvalidConfiguration', true]);
    const problems = (details?.[0] ?? []) as { path: string; message: string }[];
    const byPath = Object.fromEntries(problems.map(({ path, message }) => [path, message]));
    assert.deepEqual(Object.keys(byPath).sort(), [
      'evaluation.benchmarks.0.path',
      'evaluation.benchmarks.1.name',
      'evaluation.benchmarks.1.path',
      'evaluation.benchmarks.2.prompt',
      'evaluation.benchmarks.3.probabilities',
      'evaluation.sampling.temperature',
      'iterations',
      'runName',
    ]);
    assert.match(byPath['iterations'] ?? '', /unknown field; known here: .*serving/);
    assert.match(byPath['evaluation.benchmarks.0.path'] ?? '', /row 0: source: .*question: .*label: /);
    assert.match(
      byPath['evaluation.benchmarks.2.prompt'] ?? '',
      /no such file or folder: .*prompts.pairwise.multi-turn/,
    );
    assert.match(
      byPath['evaluation.benchmarks.3.probabilities'] ?? '',
      /the verdicts of "llmbar" have a form of their own, .* use the format "llmbar-pairwise"/,
    );
  });

  it('names the missing checkpoint if the judge must be served first', async () => {
    const example = await exampleInput();
    await worker.stop();
    cluster.startWorker();
    const missing = await refusal('missing', {
      ...example,
      runName: 'missing',
      model: { checkpoint: 'no/such/folder' },
    });
    assert.match(missing.message, /\n {2}model\.checkpoint: no such file or folder/);
    const { model: _model, ...without } = example;
    const noModel = await refusal('no-model', { ...without, runName: 'no-model' });
    assert.match(noModel.message, /\n {2}model: missing: a command needs the checkpoint/);
  });

  it('evaluates the embedded model with the command in docs/benchmarks.md', async () => {
    const [command] = fencedBlocks(join(packageRoot, 'docs/benchmarks.md')).filter(
      ({ heading, language }) => heading === 'Evaluation without training' && language === 'sh',
    );
    const env = { ...process.env, TEMPORAL_ADDRESS: cluster.address };
    await promisify(execFile)('bash', ['-c', command?.text ?? 'exit 1'], { cwd: packageRoot, env });
    const handle = cluster.client.workflow.getHandle('evaluate-embedded');
    const result = (await handle.result()) as JudgeEvaluationResult;
    assert.deepEqual(
      result.evaluations.map(({ benchmark, pairs }) => [benchmark, pairs]),
      [
        ['validation', 120],
        ['test', 360],
      ],
    );
    // The seed model knows the domain a little, prefers A, and seldom agrees with itself.
    for (const { accuracy, positionConsistentAccuracy, shareOfA } of result.evaluations) {
      assert(accuracy > 0.5 && accuracy < 0.9, String(accuracy));
      assert(positionConsistentAccuracy < accuracy);
      assert((shareOfA ?? 0) > 0.5);
    }
    assert.equal(result.model.checkpoint, 'embedded/model');
    assert(existsSync(join(cluster.storeRoot, 'evaluate-embedded/result.json')));
  });

  async function exampleInput(): Promise<Record<string, unknown>> {
    const text = await readFile(join(packageRoot, 'temporal/inputs/evaluate-embedded.json'), 'utf8');
    return JSON.parse(text) as Record<string, unknown>;
  }
});
