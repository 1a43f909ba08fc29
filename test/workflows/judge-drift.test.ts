import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  failureMessage,
  findEvaluation,
  startEvaluation,
  type Drift,
  type JudgeEvaluationConfigurationInput,
  type JudgeEvaluationResult,
} from '../../src/client/index.ts';
import { freePorts } from '../../src/platform/ports.ts';
import { OUTCOMES_FILE } from '../../src/runs/benchmark-scores.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { NO_TEMPORAL, runCli } from '../support/run-cli.ts';
import { startScriptedEndpoint, type ScriptedEndpoint } from '../support/scripted-endpoint.ts';

const ITEMS = 40;
const DRIFT = defineSearchAttributeKey('EvaluatorDrift', 'KEYWORD');

/** A schedule's evaluations of a judge behind an endpoint, which changes without a word. */
describe('an evaluation that is repeated', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let metrics: string;
  let file: string;
  /** The numbers of the questions of which the judge always names the first answer. */
  let isLazy: (question: number) => boolean;

  before(async () => {
    cluster = await startCluster();
    isLazy = () => false;
    endpoint = await startScriptedEndpoint({
      script({ body }) {
        const prompt = body.messages.map(({ content }) => content).join('\n');
        const [, question] = /good (\d+)/.exec(prompt) ?? [];
        const isGoodFirst = prompt.indexOf('good ') < prompt.indexOf('bad ');
        const verdict = isLazy(Number(question)) || isGoodFirst ? 'A' : 'B';
        return { kind: 'answer', texts: [`I prefer [[${verdict}]].`], finishReason: 'stop' };
      },
    });
    const [port] = await freePorts(1);
    metrics = `127.0.0.1:${port}`;
    cluster.startWorker('--roles', 'workflow,inference', '--metrics-address', metrics);
    file = join(cluster.storeRoot, '..', 'pairs.jsonl');
    await writePairs(ITEMS);
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
  });

  async function writePairs(count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, row) => ({
      prompt: `Question ${row}?`,
      chosen: `good ${row}`,
      rejected: `bad ${row}`,
    }));
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
  }

  const configuration = (
    runName: string,
    changes: Partial<JudgeEvaluationConfigurationInput> = {},
  ): JudgeEvaluationConfigurationInput => ({
    runName,
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'hosted-judge' },
    evaluation: { benchmarks: [{ name: 'own', format: 'pairs', path: file }] },
    drift: { compareWith: 'previous' },
    ...changes,
  });

  async function evaluate(
    runName: string,
    changes?: Partial<JudgeEvaluationConfigurationInput>,
  ): Promise<JudgeEvaluationResult & { drift: Drift }> {
    const evaluation = await startEvaluation(cluster.client, configuration(runName, changes));
    const { drift, ...result } = await evaluation.result();
    assert(drift !== undefined);
    return { ...result, drift };
  }

  const attributeOf = async (workflowId: string) =>
    (await cluster.client.workflow.getHandle(workflowId).describe()).typedSearchAttributes.get(DRIFT);
  const ofSeries = (outcome: string) =>
    `self_taught_evaluator_judge_comparison_timestamp_seconds{benchmark="own",outcome="${outcome}",series="nightly-{date}"}`;
  const scrape = async () => (await fetch(`http://${metrics}/metrics`)).text();

  it('has nothing to compare with at first', async () => {
    const { drift, warnings } = await evaluate('nightly-2026-03-01');
    assert.equal(drift.status, 'not-compared');
    assert.equal(drift.comparedWith, undefined);
    assert.match(
      drift.benchmarks[0]?.reason ?? '',
      /there is no complete earlier evaluation nightly-\{date\} of this judge/,
    );
    assert.deepEqual(
      warnings.filter((warning) => warning.includes('compared')),
      [],
    );
    assert.equal(await attributeOf('nightly-2026-03-01'), 'not-compared');
  });

  it('raises no alarm while the judge stays the same', async () => {
    const { drift, warnings } = await evaluate('nightly-2026-03-02');
    assert.equal(drift.status, 'none');
    assert.equal(drift.comparedWith?.runName, 'nightly-2026-03-01');
    const [own] = drift.benchmarks;
    assert.deepEqual([own?.items, own?.accuracy?.before, own?.accuracy?.now], [ITEMS, 1, 1]);
    assert.equal(own?.pValue, 1);
    assert.deepEqual(
      warnings.filter((warning) => warning.includes('nightly')),
      [],
    );
    assert.equal(await attributeOf('nightly-2026-03-02'), 'none');
    assert(!(await scrape()).includes(ofSeries('worse')));
  });

  it('raises an alarm when the judge has become worse: result, report, show, metric and search attribute', async () => {
    isLazy = (question) => question % 4 === 0;
    const { drift, warnings, report } = await evaluate('nightly-2026-03-03');
    assert.equal(drift.status, 'worse');
    assert.equal(drift.comparedWith?.runName, 'nightly-2026-03-02');
    const [own] = drift.benchmarks;
    assert.deepEqual(
      [own?.positionConsistentAccuracy?.before, own?.positionConsistentAccuracy?.now],
      [1, 0.75],
    );
    assert.equal(own?.accuracy?.difference, -0.125);
    // Of 10 items that one judge alone gets correct, all are the earlier one's: 2 / 2^10.
    assert(Math.abs((own?.pValue ?? 1) - 2 / 2 ** 10) < 1e-9);
    assert.match(
      warnings.join('\n'),
      /On own the judge is worse than in nightly-2026-03-02: correct in both orders 75\.0%, before 100\.0%/,
    );

    const stored = await readFile(join(cluster.storeRoot, runUris.result('nightly-2026-03-03')), 'utf8');
    assert.deepEqual((JSON.parse(stored) as JudgeEvaluationResult).drift, drift);
    const page = await readFile(join(cluster.storeRoot, report), 'utf8');
    assert.match(page, /Compared with nightly-2026-03-02/);
    assert.match(page, /<tr class="marked">\s*<td class="text">own<\/td>\s*<td class="text">worse<\/td>/);
    const shown = await runCli(['show', 'nightly-2026-03-03', '--store', cluster.storeRoot], NO_TEMPORAL);
    assert.match(shown.out, /Compared with earlier figures\n {2}On own the judge is worse than/);

    assert.equal(await attributeOf('nightly-2026-03-03'), 'worse');
    const query = "EvaluatorDrift IN ('worse', 'better')";
    for (let found: string[] = []; found.length === 0; await sleep(200))
      found = (await Array.fromAsync(cluster.client.workflow.list({ query }))).map(
        ({ workflowId }) => workflowId,
      );
    assert((await scrape()).includes(ofSeries('worse')));
    assert.equal((await findEvaluation(cluster.client, 'nightly-2026-03-03').progress()).drift, 'worse');
  });

  it('compares with a named evaluation for as long as the configuration says so', async () => {
    const now = await evaluate('nightly-2026-03-04');
    assert.equal(now.drift.status, 'none', 'the last evaluation was as bad');
    const fixed = await evaluate('nightly-2026-03-05', { drift: { compareWith: 'nightly-2026-03-01' } });
    assert.equal(fixed.drift.status, 'worse');
    isLazy = () => false;
    assert.equal((await evaluate('nightly-2026-03-06')).drift.status, 'better');
  });

  it('raises no alarm for another prompt or another file, but says so', async () => {
    isLazy = (question) => question % 4 === 0;
    const benchmark = { name: 'own', format: 'pairs' as const, path: file };
    const prompted = await evaluate('nightly-2026-03-07', {
      evaluation: { benchmarks: [{ ...benchmark, prompt: 'prompts/compact/judge' }] },
    });
    assert.equal(prompted.drift.status, 'not-compared');
    assert.equal(prompted.drift.comparedWith?.runName, 'nightly-2026-03-06');
    assert.match(
      prompted.warnings.join('\n'),
      /own is not compared with nightly-2026-03-06: it was evaluated in another way \(prompt: /,
    );
    await writePairs(ITEMS + 2);
    const longer = await evaluate('nightly-2026-03-08', {
      drift: { compareWith: 'nightly-2026-03-06' },
    });
    assert.equal(longer.drift.status, 'not-compared');
    assert.match(
      longer.warnings.join('\n'),
      /the benchmark has changed \(40 items are the same, of 40 before and 42 now\)/,
    );
  });

  it('looks for the last evaluation of the same judge', async () => {
    const serving = { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'other-judge' } as const;
    const other = await evaluate('nightly-2026-03-09', { serving });
    assert.equal(other.drift.comparedWith, undefined);
    const same = await evaluate('nightly-2026-03-10');
    assert.equal(same.drift.comparedWith?.runName, 'nightly-2026-03-08');
    assert.equal(same.drift.status, 'none');
  });

  it('is complete although the earlier figures are lost, and says so', async () => {
    const scores = join(cluster.storeRoot, runUris.scores('nightly-2026-03-10', 0, 'own'));
    await writeFile(join(scores, OUTCOMES_FILE), 'damaged');
    const compareWith = 'nightly-2026-03-10';
    const damaged = await evaluate('nightly-2026-03-11', { drift: { compareWith } });
    assert.equal(damaged.drift.status, 'not-compared');
    assert.match(
      damaged.warnings.join('\n'),
      /own is not compared with nightly-2026-03-10: its figures can't be read: .*outcomes\.jsonl/,
    );
    assert.equal(damaged.evaluations[0]?.pairs, ITEMS + 2);
    await rm(scores, { recursive: true });
    const lost = await evaluate('nightly-2026-03-13', { drift: { compareWith } });
    assert.match(
      lost.warnings.join('\n'),
      /the outcomes of its earlier evaluation are missing from the store/,
    );
  });

  it('is refused if the named evaluation does not exist', async () => {
    const evaluation = await startEvaluation(
      cluster.client,
      configuration('nightly-2026-03-12', { drift: { compareWith: 'nihgtly-2026-03-01' } }),
    );
    const error: unknown = await evaluation.result().catch((thrown: unknown) => thrown);
    assert.match(
      failureMessage(error),
      /drift\.compareWith: there is no run or evaluation nihgtly-2026-03-01 in the store/,
    );
  });
});
