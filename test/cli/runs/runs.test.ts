import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ItemOutcome } from '../../../src/benchmarks/benchmark.ts';
import type { RunComparison } from '../../../src/runs/compare-runs.ts';
import type { RunRow } from '../../../src/runs/run-list.ts';
import type { RunDetails } from '../../../src/reporting/run-details.ts';
import { startPushableHub } from '../../support/pushable-hub.ts';
import { contentOf, NO_TEMPORAL, runCli, startCli } from '../../support/run-cli.ts';
import { garbageCollectionTests } from './garbage-collection-tests.ts';
import { StoreFixture } from '../../support/store-fixture.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now()) % 2 ** 31;

describe('the commands for stored runs', function () {
  this.timeout(600_000);
  const bench = new StoreFixture();
  before(async function () {
    this.timeout(1_500_000);
    await bench.open();
  });
  after(() => bench.close());
  const json = <T>(args: string[], env?: NodeJS.ProcessEnv) => bench.json<T>(args, env);

  describe('runs', () => {
    const brief = (rows: RunRow[]) =>
      rows
        .map(({ runName, kind, status, foundIn: where }) => [runName, kind, status, where].join(' '))
        .sort();

    it('lists the runs of the store and Temporal together, with figures, times and sizes', async () => {
      const rows = await json<RunRow[]>(['runs']);
      assert.deepEqual(brief(rows), [
        'broken run failed both',
        'first run completed both',
        'nightly evaluation completed both',
      ]);
      const first = rows.find(({ runName }) => runName === 'first');
      assert(first !== undefined && (first.bytes ?? 0) > 1_000_000 && (first.seconds ?? 0) > 1);
      assert.deepEqual([first.iteration, first.iterations, first.seedModel], [2, 2, 'embedded/model']);
      assert((first.bestAccuracy ?? 0) > 0.3);
      const failed = await json<RunRow[]>(['runs', '--status', 'failed']);
      assert.deepEqual(brief(failed), ['broken run failed both']);
    });

    it('works without Temporal or without a store, with a warning', async () => {
      const { code, out, err } = await runCli(['runs', '--json'], { ...bench.environment, ...NO_TEMPORAL });
      assert.equal(code, 0);
      assert.match(err, /No Temporal server answers at 127\.0\.0\.1:1 [\s\S]* from the store alone/);
      assert.deepEqual(brief(JSON.parse(out) as RunRow[]), [
        'broken run failed store',
        'first run completed store',
        'nightly evaluation completed store',
      ]);
      const elsewhere = { ...bench.environment, SELF_TAUGHT_EVALUATOR_STORE: join(bench.scratch, 'nothing') };
      const rows = await json<RunRow[]>(['runs', '--status', 'only-in-temporal'], elsewhere);
      assert.equal(rows.length, 3);
      const neither = await runCli(['runs'], { ...elsewhere, ...NO_TEMPORAL });
      assert.equal(neither.code, 4);
      assert.match(neither.err, /neither a store .* nor a Temporal server/);
    });

    it('prints a table', async () => {
      const { out } = await runCli(['runs'], bench.environment);
      assert.match(out, /│ broken +│ failed +│ both +│/);
    });
  });

  describe('show', () => {
    it('shows a whole run, with or without Temporal', async () => {
      const both = await json<RunDetails>(['show', 'first']);
      const alone = await json<RunDetails>(['show', 'first'], { ...bench.environment, ...NO_TEMPORAL });
      assert.deepEqual(alone.judges, both.judges);
      assert.deepEqual(alone.configuration, both.configuration);
      assert.equal(both.best, 1);
      const [seedJudge, best] = both.judges;
      assert.equal(seedJudge?.evaluations[0]?.scores.unparsable, 1);
      const { accuracy, accuracyInterval } = best?.evaluations[0]?.scores ?? {};
      assert(accuracy !== undefined && accuracyInterval !== undefined);
      assert(accuracyInterval.low < accuracy && accuracy < accuracyInterval.high);
      assert.equal(best?.funnel?.judgments, 160);
      assert(best.usage?.some(({ stage, seconds = 0 }) => stage === 'fineTune' && seconds > 0));
      assert(existsSync(best.checkpoint ?? '') && existsSync(best.trainingSet ?? ''));
      for (const place of Object.values(both.paths)) assert(existsSync(String(place)), String(place));
    });

    it('shows why a run failed and how far it came, also from the store alone', async () => {
      for (const env of [bench.environment, { ...bench.environment, ...NO_TEMPORAL }]) {
        const { failure, judges } = await json<RunDetails>(['show', 'broken'], env);
        assert.match(failure ?? '', /fewer than filtering\.minExamples/);
        assert.deepEqual(
          judges.map(({ iteration, isComplete, funnel }) => [iteration, isComplete, funnel?.judgments]),
          [
            [0, true, undefined],
            [1, false, 160],
          ],
        );
      }
      const { out } = await runCli(['show', 'broken'], bench.environment);
      assert.match(out, /Why it ended\n {2}iteration 1 has 0 training examples/);
    });

    it('suggests similar names for a missing run, and rejects a path', async () => {
      const missing = await runCli(['show', 'frist'], bench.environment);
      assert.equal(missing.code, 3);
      assert.match(missing.err, /There is no run "frist" .* Did you mean "first"\?/);
      for (const path of ['../first', '/etc', 'first/../broken', '.trash']) {
        const refused = await runCli(['show', path], bench.environment);
        assert.equal(refused.code, 2, path);
        assert.match(refused.err, /is not the name of a run/);
      }
    });
  });

  describe('compare', () => {
    it('compares two judges item by item on shared benchmarks, and lists the differences', async () => {
      const compared = await json<RunComparison>(['compare', 'first', 'broken']);
      assert.deepEqual([compared.first.iteration, compared.second.iteration], [1, 0]);
      const decides = compared.configuration?.resultFields.map(
        ({ field, before: was, after: is }) => `${field} ${was} ${is}`,
      );
      assert(decides?.includes('seed 42 7') && decides.includes('evaluation.sampling.maxTokens 2048 512'));
      assert.deepEqual(
        compared.configuration?.executionFields.map(({ field }) => field),
        ['serving.servedModelName'],
      );
      assert.deepEqual([compared.onlyFirst, compared.onlySecond], [[], ['lonely']]);
      const [validation, own] = compared.benchmarks;
      assert.deepEqual(validation?.items, { first: 120, second: 120, common: 119, changed: 1 });
      assert.deepEqual([own?.first, own?.second, own?.items.common], ['own', 'same-file', 120]);
      assert.deepEqual(
        own?.evaluationDifferences.map(({ field }) => field),
        ['sampling.maxTokens'],
      );
      const outcomes = async (runName: string, iteration: number, name: string) => {
        const folder = join(bench.store, runName, `iteration-${iteration}`, 'evaluation', name, 'scores');
        const lines = (await readFile(join(folder, 'outcomes.jsonl'), 'utf8')).trim().split('\n');
        return lines.map((line) => JSON.parse(line) as ItemOutcome);
      };
      const [a, b] = [await outcomes('first', 1, 'validation'), await outcomes('broken', 0, 'validation')];
      // The first row was changed.
      const differences = a.slice(1).map(({ accuracy }, index) => (b[index + 1]?.accuracy ?? NaN) - accuracy);
      const mean = differences.reduce((sum, each) => sum + each, 0) / differences.length;
      const { difference, interval } = validation?.comparison?.accuracy ?? {};
      assert(difference !== undefined && interval !== undefined);
      assert(Math.abs(difference - mean) < 1e-12);
      assert(interval.low <= difference && difference <= interval.high && interval.low < interval.high);
    });

    it('compares judges of one run, and a run with an evaluation of its judge', async () => {
      const same = await json<RunComparison>(['compare', 'run:first/1', 'nightly']);
      assert.equal(same.benchmarks[0]?.comparison?.accuracy.difference, 0);
      assert.deepEqual(same.onlyFirst, ['own']);
      const { out } = await runCli(['compare', 'run:first/0', 'run:first/2'], bench.environment);
      assert.match(out, /no difference\./);
      assert.match(out, /│ validation +│ +120 │ +0\.0% │/);
      const missing = await runCli(['compare', 'run:first/7', 'broken'], bench.environment);
      assert.equal(missing.code, 3);
      assert.match(missing.err, /It has run:first\/0, run:first\/1, run:first\/2\./);
    });
  });

  describe('export', () => {
    it('exports judge, training sets and cards completely although it is killed repeatedly', async () => {
      const { alone } = await bench.copyStore();
      const out = join(bench.scratch, 'exported');
      const begun = async () => (await stat(join(out, 'export.json')).catch(() => undefined))?.mtimeMs;
      let kills = 0;
      for (let turn = 0; turn < 6; turn += 1) {
        const earlier = await begun();
        const child = startCli(['export', 'first', '--out', out], alone);
        const exited = once(child, 'close');
        while (child.exitCode === null && (await begun()) === earlier) await sleep(1);
        await Promise.race([exited, sleep((seed * (turn + 1)) % 41)]);
        if (child.exitCode !== null) break;
        child.kill('SIGKILL');
        await exited;
        kills += 1;
      }
      await runCli(['export', 'first', '--out', out], alone);
      const message = `${kills} kills, TEST_SEED=${seed}`;
      const { copied: again, files } = await json<{ copied: number; files: Record<string, string> }>(
        ['export', 'first', '--out', out],
        alone,
      );
      assert.equal(again, 0, message);
      const written = [...(await contentOf(out)).keys()].filter((path) => path !== 'export.json');
      assert.deepEqual(written.sort(), Object.keys(files).sort(), message);
      const model = join(bench.store, 'first', 'iteration-1', 'training', 'model', 'model.safetensors');
      assert((await readFile(join(out, 'model', 'model.safetensors'))).equals(await readFile(model)));
      assert.match(await readFile(join(out, 'model', 'README.md'), 'utf8'), /name: first M_1/);
      assert(existsSync(join(out, 'datasets', 'iteration-2', 'train.parquet')));
    });

    it('does not touch a folder that is not an export, and does not write through a link', async () => {
      const foreign = join(bench.scratch, 'foreign');
      await mkdir(foreign);
      await writeFile(join(foreign, 'thesis.txt'), 'mine');
      const inStore = join(bench.store, 'first', 'here');
      const linked = join(bench.scratch, 'linked');
      await symlink(bench.store, linked);
      for (const [out, says] of [
        [foreign, /is not empty and contains no export/],
        [join(bench.scratch, 'exported'), /contains the export of another judge, iteration 1 of first/],
        [inStore, /is in the store/],
        [join(linked, 'first'), /leads into the store/],
      ] as const) {
        const refused = await runCli(['export', 'run:first/2', '--out', out], bench.environment);
        assert.equal(refused.code, 1, out);
        assert.match(refused.err, says);
      }
      assert.deepEqual(await readdir(foreign), ['thesis.txt']);
      assert(!existsSync(inStore));
      const trap = join(bench.scratch, 'trap');
      await runCli(['export', 'first', '--out', trap], bench.environment);
      await rm(join(trap, 'model'), { recursive: true });
      await symlink(foreign, join(trap, 'model'));
      const refused = await runCli(['export', 'first', '--out', trap], bench.environment);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /model is not a folder of an export/);
      assert.deepEqual(await readdir(foreign), ['thesis.txt']);
    });

    it('exports no file that differs from its recorded hash', async () => {
      const { root, alone } = await bench.copyStore();
      await writeFile(join(root, 'first', 'iteration-1', 'training', 'model', 'config.json'), '{}');
      const refused = await runCli(['export', 'first', '--out', join(bench.scratch, 'damaged')], alone);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /config\.json has sha256 .* expected .*: it is damaged and was not exported/);
      assert(!existsSync(join(bench.scratch, 'damaged', 'model', 'config.json')));
    });

    it('pushes the same files to the hub, and only once', async () => {
      const token = 'hf_secret_of_an_export';
      const hub = await startPushableHub({ token });
      try {
        const env = { ...bench.environment, HF_ENDPOINT: hub.url, HF_TOKEN: token };
        const args = ['export', 'run:first/2', '--push', 'someone/judge'];
        const first = await runCli(args, env);
        assert.equal(first.code, 0, first.err);
        const again = await runCli(args, env);
        assert.equal(again.out, first.out);
        assert(!`${first.out}${first.err}`.includes(token));
        assert.deepEqual(hub.commits('model', 'someone/judge'), ['first: M_2']);
        const pushed = hub.files('model', 'someone/judge') ?? {};
        const model = join(bench.store, 'first', 'iteration-2', 'training', 'model', 'model.safetensors');
        assert(pushed['model.safetensors']?.equals(await readFile(model)));
        assert.match(String(pushed['README.md']), /someone\/judge/);
        assert.deepEqual(Object.keys(hub.files('dataset', 'someone/judge') ?? {}).sort(), [
          'README.md',
          'iteration-1/train.parquet',
          'iteration-2/train.parquet',
        ]);
        assert.equal(hub.isPrivate('model', 'someone/judge'), true);
        const refused = await runCli(args, { ...env, HF_TOKEN: '' });
        assert.equal(refused.code, 1);
        assert.match(refused.err, /HF_TOKEN must be a token/);
      } finally {
        await hub.close();
      }
    });
  });

  garbageCollectionTests(bench);
});
