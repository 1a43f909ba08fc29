import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../../src/client.ts';
import { claim } from '../../../src/artifacts/claim.ts';
import { ArtifactStore } from '../../../src/artifacts/store.ts';
import type { ItemOutcome } from '../../../src/benchmarks/benchmark.ts';
import type { RunComparison } from '../../../src/runs/compare-runs.ts';
import { freeGarbage } from '../../../src/runs/free-garbage.ts';
import { findGarbage } from '../../../src/runs/garbage.ts';
import type { RunRow } from '../../../src/runs/run-list.ts';
import type { RunSheet } from '../../../src/runs/run-sheet.ts';
import { readStoredRun } from '../../../src/runs/stored-run.ts';
import { startPushableHub } from '../../hub/pushable-hub.ts';
import { makeStore, type MadeStore } from '../../runs/made-store.ts';
import { answersSlowly, hasBegun, progressUntil, tinyConfiguration } from '../../workflows/tiny-run.ts';
import { contentOf, NO_TEMPORAL, run, start } from './command.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now()) % 2 ** 31;

describe('runs beside each other', function () {
  this.timeout(600_000);
  let made: MadeStore;
  /** The store of the cluster, as it was when all runs had ended. */
  let store: string;
  let scratch: string;
  let environment: NodeJS.ProcessEnv;

  before(async function () {
    this.timeout(1_500_000);
    made = await makeStore();
    store = made.cluster.storeRoot;
    environment = { SELF_TAUGHT_EVALUATOR_STORE: store, TEMPORAL_ADDRESS: made.cluster.address };
    scratch = await mkdtemp(join(tmpdir(), 'runs-'));
  });
  after(async () => {
    await made.close();
    await rm(scratch, { recursive: true, force: true });
  });

  /** A copy of the store in which a test may do what it likes; Temporal knows nothing of it. */
  async function copied(): Promise<{ root: string; alone: NodeJS.ProcessEnv }> {
    const root = join(scratch, randomUUID());
    await cp(store, root, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    return { root, alone: { ...NO_TEMPORAL, SELF_TAUGHT_EVALUATOR_STORE: root } };
  }
  const json = async <T>(args: string[], env = environment): Promise<T> => {
    const { code, out, err } = await run([...args, '--json'], env);
    assert.equal(code, 0, err);
    return JSON.parse(out) as T;
  };

  describe('runs', () => {
    const brief = (rows: RunRow[]) =>
      rows.map(({ runName, kind, status, where }) => [runName, kind, status, where].join(' ')).sort();

    it('lists what the store and Temporal know as one, with figures, times and sizes', async () => {
      const rows = await json<RunRow[]>(['runs']);
      assert.deepEqual(brief(rows), [
        'broken run failed both',
        'first run finished both',
        'nightly evaluation finished both',
      ]);
      const first = rows.find(({ runName }) => runName === 'first');
      assert(first !== undefined && (first.bytes ?? 0) > 1_000_000 && (first.seconds ?? 0) > 1);
      assert.deepEqual([first.iteration, first.iterations, first.seedModel], [2, 2, 'embedded/model']);
      assert((first.bestAccuracy ?? 0) > 0.3);
      const failed = await json<RunRow[]>(['runs', '--status', 'failed']);
      assert.deepEqual(brief(failed), ['broken run failed both']);
    });

    it('does without Temporal, and says so; and without a store', async () => {
      const { code, out, err } = await run(['runs', '--json'], { ...environment, ...NO_TEMPORAL });
      assert.equal(code, 0);
      assert.match(err, /No Temporal server answers at 127\.0\.0\.1:1 .* from the store alone/);
      assert.deepEqual(brief(JSON.parse(out) as RunRow[]), [
        'broken run failed store',
        'first run finished store',
        'nightly evaluation finished store',
      ]);
      const elsewhere = { ...environment, SELF_TAUGHT_EVALUATOR_STORE: join(scratch, 'nothing') };
      const rows = await json<RunRow[]>(['runs', '--status', 'only-in-temporal'], elsewhere);
      assert.equal(rows.length, 3);
      const neither = await run(['runs'], { ...elsewhere, ...NO_TEMPORAL });
      assert.equal(neither.code, 4);
      assert.match(neither.err, /neither a store .* nor a Temporal server/);
    });

    it('prints a table for a person', async () => {
      const { out } = await run(['runs'], environment);
      assert.match(out, /│ broken +│ failed +│ both +│/);
    });
  });

  describe('show', () => {
    it('tells a run in full, the same when Temporal is gone', async () => {
      const both = await json<RunSheet>(['show', 'first']);
      const alone = await json<RunSheet>(['show', 'first'], { ...environment, ...NO_TEMPORAL });
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
      for (const place of Object.values(both.places)) assert(existsSync(String(place)), String(place));
    });

    it('says why a run failed, and how far it came, from the store alone too', async () => {
      for (const env of [environment, { ...environment, ...NO_TEMPORAL }]) {
        const { failure, judges } = await json<RunSheet>(['show', 'broken'], env);
        assert.match(failure ?? '', /fewer than filtering\.minimumExamples/);
        assert.deepEqual(
          judges.map(({ iteration, isComplete, funnel }) => [iteration, isComplete, funnel?.judgments]),
          [
            [0, true, undefined],
            [1, false, 160],
          ],
        );
      }
      const { out } = await run(['show', 'broken'], environment);
      assert.match(out, /Why it ended\n {2}iteration 1 has 0 training examples/);
    });

    it('names the runs that somebody may have meant, and takes no path', async () => {
      const missing = await run(['show', 'frist'], environment);
      assert.equal(missing.code, 3);
      assert.match(missing.err, /There is no run "frist" .* Did you mean "first"\?/);
      for (const path of ['../first', '/etc', 'first/../broken', '.trash']) {
        const refused = await run(['show', path], environment);
        assert.equal(refused.code, 2, path);
        assert.match(refused.err, /is no run's name/);
      }
    });
  });

  describe('compare', () => {
    it('pairs two judges item by item on what both were asked, and says what differs', async () => {
      const compared = await json<RunComparison>(['compare', 'first', 'broken']);
      assert.deepEqual([compared.first.iteration, compared.second.iteration], [1, 0]);
      const decides = compared.configuration?.decides.map(({ field, was, is }) => `${field} ${was} ${is}`);
      assert(decides?.includes('seed 42 7') && decides.includes('evaluation.sampling.maxTokens 2048 512'));
      assert.deepEqual(
        compared.configuration?.carriedOut.map(({ field }) => field),
        ['serving.servedName'],
      );
      assert.deepEqual([compared.onlyFirst, compared.onlySecond], [[], ['lonely']]);
      const [validation, own] = compared.benchmarks;
      assert.deepEqual(validation?.items, { first: 120, second: 120, common: 119, changed: 1 });
      assert.deepEqual([own?.first, own?.second, own?.items.common], ['own', 'same-file', 120]);
      assert.deepEqual(
        own?.askedDifferently.map(({ field }) => field),
        ['sampling.maxTokens'],
      );
      const outcomes = async (runName: string, iteration: number, name: string) => {
        const folder = join(store, runName, `iteration-${iteration}`, 'evaluation', name, 'scores');
        const lines = (await readFile(join(folder, 'outcomes.jsonl'), 'utf8')).trim().split('\n');
        return lines.map((line) => JSON.parse(line) as ItemOutcome);
      };
      const [a, b] = [await outcomes('first', 1, 'validation'), await outcomes('broken', 0, 'validation')];
      // The first row is the one that was changed.
      const differences = a.slice(1).map(({ accuracy }, index) => (b[index + 1]?.accuracy ?? NaN) - accuracy);
      const mean = differences.reduce((sum, each) => sum + each, 0) / differences.length;
      const { difference, interval } = validation?.comparison?.accuracy ?? {};
      assert(difference !== undefined && interval !== undefined);
      assert(Math.abs(difference - mean) < 1e-12);
      assert(interval.low <= difference && difference <= interval.high && interval.low < interval.high);
    });

    it('compares iterations of one run, and a run with an evaluation of its judge', async () => {
      const same = await json<RunComparison>(['compare', 'first@1', 'nightly']);
      assert.equal(same.benchmarks[0]?.comparison?.accuracy.difference, 0);
      assert.deepEqual(same.onlyFirst, ['own']);
      const { out } = await run(['compare', 'first@0', 'first@2'], environment);
      assert.match(out, /no difference\./);
      assert.match(out, /│ validation +│ +120 │ +0\.0% │/);
      const missing = await run(['compare', 'first@7', 'broken'], environment);
      assert.equal(missing.code, 3);
      assert.match(missing.err, /It has first@0, first@1, first@2\./);
    });
  });

  describe('export', () => {
    it('gives judge, training sets and cards, whole, though it is killed again and again', async () => {
      const { alone } = await copied();
      const out = join(scratch, 'exported');
      const begun = async () => (await stat(join(out, 'export.json')).catch(() => undefined))?.mtimeMs;
      let kills = 0;
      for (let turn = 0; turn < 6; turn += 1) {
        const earlier = await begun();
        const child = start(['export', 'first', '--out', out], alone);
        const over = once(child, 'close');
        while (child.exitCode === null && (await begun()) === earlier) await sleep(1);
        await Promise.race([over, sleep((seed * (turn + 1)) % 41)]);
        if (child.exitCode !== null) break;
        child.kill('SIGKILL');
        await over;
        kills += 1;
      }
      await run(['export', 'first', '--out', out], alone);
      const message = `${kills} kills, TEST_SEED=${seed}`;
      const { copied: again, files } = await json<{ copied: number; files: Record<string, string> }>(
        ['export', 'first', '--out', out],
        alone,
      );
      assert.equal(again, 0, message);
      const there = [...(await contentOf(out)).keys()].filter((path) => path !== 'export.json');
      assert.deepEqual(there.sort(), Object.keys(files).sort(), message);
      const model = join(store, 'first', 'iteration-1', 'training', 'model', 'model.safetensors');
      assert((await readFile(join(out, 'model', 'model.safetensors'))).equals(await readFile(model)));
      assert.match(await readFile(join(out, 'model', 'README.md'), 'utf8'), /name: first M_1/);
      assert(existsSync(join(out, 'datasets', 'iteration-2', 'train.parquet')));
    });

    it('leaves a folder alone that is not its own, and writes nothing behind a link', async () => {
      const foreign = join(scratch, 'foreign');
      await mkdir(foreign);
      await writeFile(join(foreign, 'thesis.txt'), 'mine');
      const inStore = join(store, 'first', 'here');
      const linked = join(scratch, 'linked');
      await symlink(store, linked);
      for (const [out, says] of [
        [foreign, /is not empty, and holds no export/],
        [join(scratch, 'exported'), /holds the export of another judge, first's of iteration 1/],
        [inStore, /lies in the store/],
        [join(linked, 'first'), /leads into the store/],
      ] as const) {
        const refused = await run(['export', 'first', '--iteration', '2', '--out', out], environment);
        assert.equal(refused.code, 1, out);
        assert.match(refused.err, says);
      }
      assert.deepEqual(await readdir(foreign), ['thesis.txt']);
      assert(!existsSync(inStore));
      const trap = join(scratch, 'trap');
      await run(['export', 'first', '--out', trap], environment);
      await rm(join(trap, 'model'), { recursive: true });
      await symlink(foreign, join(trap, 'model'));
      const refused = await run(['export', 'first', '--out', trap], environment);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /model is no folder of an export/);
      assert.deepEqual(await readdir(foreign), ['thesis.txt']);
    });

    it('exports no file that is not what was recorded', async () => {
      const { root, alone } = await copied();
      await writeFile(join(root, 'first', 'iteration-1', 'training', 'model', 'config.json'), '{}');
      const refused = await run(['export', 'first', '--out', join(scratch, 'damaged')], alone);
      assert.equal(refused.code, 1);
      assert.match(refused.err, /config\.json has sha256 .* it is damaged, and was not exported/);
      assert(!existsSync(join(scratch, 'damaged', 'model', 'config.json')));
    });

    it('pushes the same to the hub, and only once', async () => {
      const token = 'hf_secret_of_an_export';
      const hub = await startPushableHub({ token });
      try {
        const env = { ...environment, HF_ENDPOINT: hub.url, HF_TOKEN: token };
        const args = ['export', 'first', '--iteration', '2', '--push', 'someone/judge'];
        const first = await run(args, env);
        assert.equal(first.code, 0, first.err);
        const again = await run(args, env);
        assert.equal(again.out, first.out);
        assert(!`${first.out}${first.err}`.includes(token));
        assert.deepEqual(hub.commits('model', 'someone/judge'), ['first: M_2']);
        const pushed = hub.files('model', 'someone/judge') ?? {};
        const model = join(store, 'first', 'iteration-2', 'training', 'model', 'model.safetensors');
        assert(pushed['model.safetensors']?.equals(await readFile(model)));
        assert.match(String(pushed['README.md']), /someone\/judge/);
        assert.deepEqual(Object.keys(hub.files('dataset', 'someone/judge') ?? {}).sort(), [
          'README.md',
          'iteration-1/train.parquet',
          'iteration-2/train.parquet',
        ]);
        assert.equal(hub.isPrivate('model', 'someone/judge'), true);
        const refused = await run(args, { ...env, HF_TOKEN: '' });
        assert.equal(refused.code, 1);
        assert.match(refused.err, /HF_TOKEN must hold a token/);
      } finally {
        await hub.close();
      }
    });
  });

  describe('gc', () => {
    /** One of each kind that crashes and settings leave, and what looks like it and is not. */
    async function litter(root: string, pieces = 1): Promise<void> {
      const first = join(root, 'first');
      for (let piece = 0; piece < pieces; piece += 1)
        await mkdir(join(first, `iteration-1/judgments/shard-00000.damaged-${randomUUID()}`));
      await mkdir(join(first, `pairs/shard-00009.draft-${randomUUID()}`));
      await writeFile(join(first, `report.html.draft-${randomUUID()}`), 'half a rep');
      await writeFile(join(first, 'owner', `draft-${randomUUID()}`), '{');
      await mkdir(join(first, 'set-aside/an-earlier-start/iteration-1/judgments'), { recursive: true });
      await writeFile(join(first, 'set-aside/an-earlier-start/iteration-1/judgments/old'), 'old');
      await writeFile(join(first, 'set-aside/an-earlier-start/done.json'), '{}');
      await mkdir(join(first, 'iteration-2/training/checkpoints/checkpoint-1'), { recursive: true });
      await writeFile(join(first, 'iteration-2/training/checkpoints/checkpoint-1/optimizer.pt'), 'state');
      await mkdir(join(first, 'iteration-2/judgments/shard-00000.work'));
      const segment = join(first, 'iteration-2/judgments/shard-00000.work/segment-1.jsonl');
      await writeFile(segment, '{}\n');
      await utimes(segment, 1000, 1000);
      // Of a run that may go on: what its next start needs.
      await mkdir(join(root, 'broken/iteration-1/training/checkpoints/checkpoint-1'), { recursive: true });
      await writeFile(
        join(root, 'broken/iteration-1/training/checkpoints/checkpoint-1/model.safetensors'),
        'w',
      );
      await mkdir(join(root, 'broken/iteration-1/judgments/shard-00007.work'));
    }
    const KINDS =
      'half-written files|damaged artifacts|set aside by redo|work of finished shards|checkpoints of finished trainings';

    it('shows what it would free by run and kind, and touches nothing', async () => {
      const { root, alone } = await copied();
      await litter(root);
      const before = await contentOf(root);
      const { code, out } = await run(['gc', '--keep', 'best'], alone);
      assert.equal(code, 0);
      for (const kind of [...KINDS.split('|'), 'judges that are not kept'])
        assert.match(out, new RegExp(`│ first +│ ${kind} +│`));
      assert.doesNotMatch(out, /│ broken/);
      assert.match(out, /could be freed\. Nothing was touched/);
      assert.deepEqual(await contentOf(root), before);
    });

    it('frees it, though it is killed again and again, and what is left is whole', async () => {
      const { root, alone } = await copied();
      const expected = new Map(
        [...(await contentOf(root))].filter(([path]) => !/first\/iteration-2\/training\/model\//.test(path)),
      );
      const shown = await json<RunSheet>(['show', 'first'], alone);
      await litter(root, 200);
      const kept = await contentOf(join(root, 'broken'));
      let kills = 0;
      for (let turn = 0; ; turn += 1) {
        const folder = join(root, 'first/iteration-1/judgments');
        const count = async () => (await readdir(folder)).length;
        const atFirst = await count();
        const child = start(['gc', '--keep', 'best', '--yes'], alone);
        const over = once(child, 'close');
        while (child.exitCode === null && atFirst > 50 && (await count()) === atFirst) await sleep(1);
        await Promise.race([over, sleep((seed * (turn + 1)) % 29)]);
        if (child.exitCode !== null || turn >= 6) {
          await over;
          break;
        }
        child.kill('SIGKILL');
        await over;
        kills += 1;
      }
      const message = `${kills} kills, TEST_SEED=${seed}`;
      const last = await run(['gc', '--keep', 'best', '--yes'], alone);
      assert.equal(last.code, 0, message + last.err);
      assert.match((await run(['gc', '--keep', 'best'], alone)).out, /^There is nothing to free\./, message);
      const left = await contentOf(root);
      const more = [...left.keys()].filter((path) => !expected.has(path) && !path.startsWith('broken/'));
      assert.deepEqual(
        more.sort(),
        ['first/iteration-2/training/freed.json', 'first/set-aside/an-earlier-start/done.json'],
        message,
      );
      for (const [path, content] of expected) assert.equal(left.get(path), content, `${path}, ${message}`);
      assert.deepEqual(await contentOf(join(root, 'broken')), kept, message);
      const again = await json<RunSheet>(['show', 'first'], alone);
      const figures = ({ judges }: RunSheet) =>
        judges.map(({ evaluations, funnel, usage }) => [evaluations, funnel, usage]);
      assert.deepEqual(figures(again), figures(shown), message);
      assert.deepEqual(
        again.judges.map(({ freedAt }) => freedAt !== undefined),
        [false, false, true],
        message,
      );
      assert.equal((await run(['compare', 'first@1', 'first@2'], alone)).code, 0, message);
      const gone = await run(['export', 'first', '--iteration', '2', '--out', join(scratch, 'gone')], alone);
      assert.equal(gone.code, 1);
      assert.match(gone.err, /was freed by .* The best judge is that of iteration 1/);
    });

    it('keeps the judges that it is told to', async () => {
      const opened = new ArtifactStore(store);
      const first = await readStoredRun(opened, 'first');
      assert(first !== undefined);
      const freed = async (keep: 'best' | 'last' | 'all', best: number) =>
        (await findGarbage(opened, { ...first, best }, { keep, inUse: new Set() })).map(({ path }) =>
          Number(/iteration-(\d)\/training\/model$/.exec(path)?.[1]),
        );
      assert.deepEqual(await freed('all', 0), []);
      assert.deepEqual(await freed('last', 0), [1]);
      assert.deepEqual((await freed('best', 0)).sort(), [1, 2]);
      assert.deepEqual(await freed('last', 1), []);
      assert.deepEqual(await freed('best', 1), [2]);
    });

    it('stops where the run is started while it works', async () => {
      const { root } = await copied();
      await litter(root);
      const opened = new ArtifactStore(root);
      const first = await readStoredRun(opened, 'first');
      assert(first?.owner !== undefined);
      const garbage = await findGarbage(opened, first, { keep: 'best', inUse: new Set() });
      await claim(join(root, 'first', 'owner'), first.owner.epoch, {
        workflowId: 'first',
        firstRunId: 'x',
        meaning: {},
      });
      const before = await contentOf(root);
      const { freed, startedMeanwhile } = await freeGarbage(opened, 'first', garbage, first.owner.epoch);
      assert.deepEqual([freed, startedMeanwhile], [[], true]);
      assert.deepEqual(await contentOf(root), before);
    });

    it('keeps a judge that another run begins from, and leaves alone what nobody says the end of', async () => {
      const { root, alone } = await copied();
      // Now the evaluation begins from a judge that retention would not keep.
      await rename(join(root, 'first/result.json'), join(root, 'first/kept'));
      const state = JSON.parse(await readFile(join(root, 'first/state.json'), 'utf8')) as object;
      await writeFile(join(root, 'first/state.json'), JSON.stringify({ ...state, best: 2 }));
      const unclear = await run(['gc', 'first', '--keep', 'best', '--yes'], alone);
      assert.equal(unclear.code, 1);
      assert.match(
        unclear.out,
        /first is left alone: the store does not say how it ended, and no Temporal server answers/,
      );
      await rename(join(root, 'first/kept'), join(root, 'first/result.json'));
      assert.equal((await run(['gc', '--keep', 'best', '--yes'], alone)).code, 0);
      const models = [1, 2].map((iteration) =>
        existsSync(join(root, `first/iteration-${iteration}/training/model`)),
      );
      assert.deepEqual(models, [true, true]);
    });

    it('never touches a run under way', async () => {
      made.endpoint.script(answersSlowly);
      const live = await startRun(made.cluster.client, tinyConfiguration('live', made.endpoint.baseUrl));
      await progressUntil(live, hasBegun('generatePairs', 0));
      const draft = join(store, 'live', `report.html.draft-${randomUUID()}`);
      await writeFile(draft, '');
      const asked = await run(['gc', 'live', '--yes', '--assume-ended'], environment);
      assert.equal(asked.code, 1);
      assert.match(asked.out, /live is left alone: Temporal says that it is under way/);
      const unasked = await run(['gc', 'live', '--yes'], { ...environment, ...NO_TEMPORAL });
      assert.equal(unasked.code, 1);
      assert.match(unasked.out, /live is left alone/);
      assert(existsSync(draft));
      const [row] = await json<RunRow[]>(['runs', '--status', 'running']);
      assert.deepEqual([row?.runName, row?.phase], ['live', 'working']);
      await live.cancel();
      await live.result().catch(() => undefined);
      assert.equal((await run(['gc', 'live', '--yes'], environment)).code, 0);
      assert(!existsSync(draft));
    });

    it('leaves a run that can be started again: it needs what was freed only where something is missing', async () => {
      assert.equal((await run(['gc', 'first', '--keep', 'best', '--yes'], environment)).code, 0);
      const asked = made.endpoint.requests.length;
      const result = await (await startRun(made.cluster.client, made.first)).result();
      assert.equal(result.best, 1);
      const canary = ({ body }: { body: { max_tokens?: number } }) => body.max_tokens === 1;
      assert(made.endpoint.requests.slice(asked).every(canary), 'nothing is judged again');
      assert(existsSync(join(store, 'first/outputs/model/config.json')));
      const longer = await startRun(made.cluster.client, { ...made.first, iterations: 3 });
      await assert.rejects(longer.result());
      const { failure } = await json<RunSheet>(['show', 'first']);
      assert.match(failure ?? '', /iteration-2\/training\/model was freed by .* train it again/);
    });
  });
});
