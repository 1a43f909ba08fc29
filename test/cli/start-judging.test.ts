import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { findPairsJudging, findRun, type RunProgress } from '../../src/client/index.ts';
import {
  isCanary,
  startScriptedEndpoint,
  type Script,
  type ScriptedEndpoint,
} from '../support/scripted-endpoint.ts';
import { correctJudgment, sampleJudge } from '../support/sample-judge.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import {
  heldScriptedAnswers,
  stageStarted,
  waitForProgress,
  tinyConfiguration,
} from '../support/tiny-run.ts';
import { untilListed } from '../support/until-listed.ts';
import { runBin } from '../support/run-cli.ts';

const PAIRS = 60;

const honest = ({ body }: Parameters<Script>[0]) => ({
  kind: 'answer' as const,
  texts: Array.from({ length: body.n ?? 1 }, () => correctJudgment(body.messages.at(-1)?.content ?? '')),
  afterMilliseconds: 100,
});

describe('the command line with a worker', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let endpoint: ScriptedEndpoint;
  let folder: string;

  before(async () => {
    cluster = await startCluster();
    await mkdir(cluster.storeRoot, { recursive: true });
    cluster.startWorker();
    endpoint = await startScriptedEndpoint({ script: honest });
    folder = await mkdtemp(join(tmpdir(), 'judging-'));
    const rows = Array.from({ length: PAIRS }, (_, row) => ({
      instruction: `which is more, ${row}?`,
      responseA: `it is ${row % 7}`,
      responseB: `it is ${row % 5}`,
      label: row % 7 > row % 5 ? 'A' : row % 7 < row % 5 ? 'B' : 'tie',
    }));
    await writeFile(join(folder, 'pairs.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    await writeFile(join(folder, 'judge.json'), JSON.stringify(sampleJudge()));
  });

  after(async () => {
    await cluster.close();
    await endpoint.close();
    await rm(folder, { recursive: true, force: true });
  });

  const program = (...args: string[]) =>
    runBin(args, {
      TEMPORAL_ADDRESS: cluster.address,
      SELF_TAUGHT_EVALUATOR_STORE: cluster.storeRoot,
      SELF_TAUGHT_EVALUATOR_PYTHON: undefined,
    });

  async function file(content: object): Promise<string> {
    await writeFile(join(folder, 'configuration.json'), JSON.stringify(content));
    return join(folder, 'configuration.json');
  }

  const judging = (changes: object = {}) => ({
    runName: 'judged',
    serving: { kind: 'endpoint', baseUrl: endpoint.baseUrl, servedModelName: 'some-judge' },
    judgeFile: join(folder, 'judge.json'),
    pairsFile: join(folder, 'pairs.jsonl'),
    orders: 'both',
    shardSize: 10,
    inference: { concurrentRequestsPerShard: 1, concurrentShards: 1 },
    ...changes,
  });

  it('starts, pauses, resumes and follows the judging of a file', async () => {
    const resumed = Promise.withResolvers<void>();
    // The judging does not end before it is paused.
    endpoint.script((request) => ({
      ...honest(request),
      heldUntil: isCanary(request.body) ? undefined : resumed.promise,
    }));
    const started = await program('start', await file(judging()), '--json');
    assert.equal(started.code, 0, started.err);
    const { runName, kind, started: isNew } = JSON.parse(started.out) as Record<string, unknown>;
    assert.deepEqual([runName, kind, isNew], ['judged', 'judging', true]);
    const again = await program('start', await file(judging()));
    assert.match(again.out, /^The judging judged is already running /);
    const paused = await program('pause', 'judged', '--reason', 'the GPU is needed');
    assert.deepEqual([paused.code, paused.out], [0, 'judged is paused: the GPU is needed.\n'], paused.err);
    for (const order of [
      ['set-iterations', 'judged', '3'],
      ['stop-after', 'judged'],
      ['set-budget', 'judged', '--tokens', '5'],
    ]) {
      const { code, err } = await program(...order);
      assert.equal(code, 2);
      assert.match(
        err,
        /^judged is the judging of a file of pairs, which has neither iterations nor a budget: /,
      );
    }
    const listed = await program('runs', '--status', 'paused');
    assert.match(listed.out, /│ judged +│ paused +│ both +│ judging +│/);
    assert.equal((await program('resume', 'judged')).out, 'judged continues.\n');
    resumed.resolve();

    const followed = await program('follow', 'judged');
    assert.equal(followed.code, 0, followed.err);
    assert.match(followed.err, /^ {2}preparePairsToJudge .* 60 pairs to judge$/m);
    assert.match(followed.err, /^ {2}compareResponses .* 60 pairs, 120 judgments$/m);
    assert.match(followed.out, /│ accuracy +│ +100\.0% \(/);
    assert.match(followed.out, /^Verdicts: judged\/verdicts\/records\.jsonl in the store$/m);
  });

  it('shows the figures of a judging, neither exports nor compares it, and keeps its results after gc', async () => {
    const shown = await program('show', 'judged');
    assert.equal(shown.code, 0, shown.err);
    assert.match(
      shown.out,
      /^judged: the judging of a file of pairs, completed \(in the store and in Temporal\)$/m,
    );
    assert.match(shown.out, /^ {2}orders: "both"$/m);
    assert.match(shown.out, /^ {2}verdicts +\/.*judged\/verdicts\/records\.jsonl$/m);
    assert.match(shown.out, /│ judgments +│ 120, 0 without a verdict │/);
    const compared = await program('compare', 'judged', 'judged');
    assert.equal(compared.code, 2);
    assert.match(compared.err, /^judged is the judging of a file of pairs: it has no judges with figures /);
    const exported = await program('export', 'judged', '--out', join(folder, 'export'));
    assert.equal(exported.code, 1);
    assert.match(
      exported.err,
      /judged is the judging of a file of pairs: it trains no judge, so there is nothing to export/,
    );
    const freed = await program('gc', 'judged', '--yes');
    assert.equal(freed.code, 0, freed.err);
    assert.match((await program('show', 'judged', '--json')).out, /"figures":\{"pairs":60,/);
    const once = await program('start', await file(judging()), '--follow');
    assert.equal(once.code, 0, once.err);
    assert.equal(endpoint.requests.filter(({ body }) => !isCanary(body)).length, 2 * PAIRS);
  });

  it('cancels a judging, which continues when it is started again', async () => {
    const other = await file(judging({ runName: 'given-up', seed: 7 }));
    const cancelled = Promise.withResolvers<void>();
    let answers = 0;
    // The first shard ends, and the second one does not before the judging is cancelled.
    endpoint.script((request) => ({
      ...honest(request),
      heldUntil: isCanary(request.body) || (answers += 1) <= 30 ? undefined : cancelled.promise,
    }));
    await program('start', other);
    const judged = findPairsJudging(cluster.client, 'given-up');
    await waitForProgress(judged, ({ stages }) => stages[0]?.done === 1);
    assert.equal((await program('cancel', 'given-up')).code, 0);
    cancelled.resolve();
    const followed = await program('follow', 'given-up');
    assert.equal(followed.code, 1);
    await untilListed(cluster.client, 'given-up', 'CANCELLED');
    assert.match((await program('runs')).out, /│ given-up +│ cancelled /);
    const again = await program('start', other, '--follow', '--json');
    assert.equal(again.code, 0, again.err);
  });

  it('finds the problems of a judging in doctor and in start', async () => {
    const examined = async (content: object) => {
      const { out } = await program('doctor', await file(content), '--json');
      const { findings } = JSON.parse(out) as { findings: Finding[] };
      return (what: string) => findings.find((finding) => finding.check === what);
    };
    const right = await examined(judging());
    assert.match(
      right('configuration')?.detail ?? '',
      /fields, files, endpoints and commands are valid on this machine$/,
    );
    const wrong = await examined(
      judging({
        pairsFile: 'none.jsonl',
        judgeFile: 'none/judge.json',
        model: { checkpoint: 'run:nobody/best' },
      }),
    );
    assert.match(wrong('model.checkpoint')?.detail ?? '', /no run "nobody" in the store/);
    assert.match(wrong('pairsFile')?.detail ?? '', /none\.jsonl/);
    const fields = await program('start', await file(judging({ vote: 3, orders: 'all' })));
    assert.equal(fields.code, 2);
    assert.match(fields.err, /\n {2}vote: unknown field; known here: .*votes/);
    assert.match(fields.err, /\n {2}orders: /);
    const demo = await program('demo', '--config', await file(judging()));
    assert.equal(demo.code, 2);
    assert.match(
      demo.err,
      /configures the judging of a file of pairs, but the demo needs the configuration of a run/,
    );
  });

  it('sets and removes the budget of a running run, and rejects invalid budgets', async () => {
    const cancelled = Promise.withResolvers<void>();
    endpoint.script(heldScriptedAnswers(cancelled.promise));
    const started = await program('start', await file(tinyConfiguration('bounded', endpoint.baseUrl)));
    assert.equal(started.code, 0, started.err);
    const run = findRun(cluster.client, 'bounded');
    await waitForProgress(run, stageStarted('generatePairs', 0));
    for (const [options, message] of [
      [[], /^Give at least one of --tokens, --requests, --usd, --gpu-hours: a number, or "none"/],
      [['--tokens', 'many'], /^--tokens is "many", but must be a number above 0 such as/],
      [['--gpu-hours', '0'], /^--gpu-hours is "0", but must be a number above 0/],
      [['--requests', '1', '--requests', '2'], /^--requests is given 2 times/],
    ] as const) {
      const { code, out, err } = await program('set-budget', 'bounded', ...options);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, message);
    }
    const unpriced = await program('set-budget', 'bounded', '--usd', '5');
    assert.equal(unpriced.code, 1);
    assert.match(unpriced.err, /^Usd needs prices that the run's configuration lacks: /);
    const broken = await program('set-budget', 'bounded', '--tokens', '2.5');
    assert.match(broken.err, /^Tokens is 2\.5, but must be a whole number above 0/);
    assert.equal((await run.progress()).budget, undefined);

    const set = await program('set-budget', 'bounded', '--tokens', '2e6', '--gpu-hours', '0.5');
    assert.equal(set.code, 0, set.err);
    assert.equal(set.out, 'bounded may spend up to 2,000,000 tokens and up to 0.50 GPU hours.\n');
    const none = await program('set-budget', 'bounded', '--tokens', 'none', '--json');
    const { budget } = JSON.parse(none.out) as RunProgress;
    assert.deepEqual(budget?.limits, { gpuHours: 0.5 });
    const free = await program('set-budget', 'bounded', '--gpu-hours', 'none');
    assert.equal(free.out, 'bounded may spend without a limit.\n');
    assert.equal((await program('cancel', 'bounded')).code, 0);
    cancelled.resolve();
  });
});
