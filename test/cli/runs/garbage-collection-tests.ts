import { isCanary } from '../../support/scripted-endpoint.ts';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { glob, mkdir, readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../../src/client/index.ts';
import { tryClaim } from '../../../src/store/claims.ts';
import { openStore } from '../../../src/store/artifact-store.ts';
import { pruneGarbage } from '../../../src/runs/prune-garbage.ts';
import { findGarbage } from '../../../src/runs/garbage.ts';
import type { RunRow } from '../../../src/runs/run-list.ts';
import type { RunDetails } from '../../../src/reporting/run-details.ts';
import { readStoredRun } from '../../../src/runs/stored-run.ts';
import {
  heldScriptedAnswers,
  stageStarted,
  waitForProgress,
  tinyConfiguration,
} from '../../support/tiny-run.ts';
import { contentOf, NO_TEMPORAL, runCli, startCli } from '../../support/run-cli.ts';
import type { StoreFixture } from '../../support/store-fixture.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now()) % 2 ** 31;

/** Tests of what gc deletes, and what it never touches. */
export function garbageCollectionTests(bench: StoreFixture): void {
  const json = <T>(args: string[], env?: NodeJS.ProcessEnv) => bench.json<T>(args, env);

  describe('gc', () => {
    /** Creates garbage of each kind, and files that resemble garbage but must be kept. */
    async function litter(root: string, pieces = 1): Promise<void> {
      const first = join(root, 'first');
      for (let piece = 0; piece < pieces; piece += 1) {
        const quarantined = join(first, `iteration-1/judgments/shard-00000.quarantined-${randomUUID()}`);
        await mkdir(quarantined);
        await writeFile(join(quarantined, 'records.jsonl'), 'damaged');
      }
      await mkdir(join(first, 'pairs/shard-00009'));
      await writeFile(join(first, `pairs/shard-00009/${randomUUID()}-records.jsonl`), '{}');
      await writeFile(join(first, `report.html.tmp-${randomUUID()}`), 'half a rep');
      await writeFile(join(first, 'owner', `000009.json.tmp-${randomUUID()}`), '{');
      await mkdir(join(first, 'archive/an-earlier-start/iteration-1/judgments'), { recursive: true });
      await writeFile(join(first, 'archive/an-earlier-start/iteration-1/judgments/old'), 'old');
      await writeFile(join(first, 'archive/an-earlier-start/done.json'), '{}');
      await mkdir(join(first, 'iteration-2/training/checkpoints/checkpoint-1'), { recursive: true });
      await writeFile(join(first, 'iteration-2/training/checkpoints/checkpoint-1/optimizer.pt'), 'state');
      await mkdir(join(first, 'iteration-2/judgments/shard-00000.journal'));
      const segment = join(first, 'iteration-2/judgments/shard-00000.journal/segment-1.jsonl');
      await writeFile(segment, '{}\n');
      await utimes(segment, 1000, 1000);
      // Left by a worker that was killed while it tried its store.
      const tried = join(root, '.preflight/killed/first');
      await mkdir(dirname(tried), { recursive: true });
      await writeFile(tried, 'first');
      await utimes(tried, 1000, 1000);
      // Files that the next start of an unfinished run needs.
      await mkdir(join(root, 'broken/iteration-1/training/checkpoints/checkpoint-1'), { recursive: true });
      await writeFile(
        join(root, 'broken/iteration-1/training/checkpoints/checkpoint-1/model.safetensors'),
        'w',
      );
      await mkdir(join(root, 'broken/iteration-1/judgments/shard-00007.journal'));
    }
    const KINDS =
      'temporary files|quarantined artifacts|archived stages|journals of finished shards|checkpoints of finished trainings';

    it('lists what it would delete by run and kind, and changes nothing', async () => {
      const { root, alone } = await bench.copyStore();
      await litter(root);
      const before = await contentOf(root);
      const { code, out } = await runCli(['gc', '--keep', 'best'], alone);
      assert.equal(code, 0);
      for (const kind of [...KINDS.split('|'), 'pruned judges'])
        assert.match(out, new RegExp(`│ first +│ ${kind} +│`));
      assert.doesNotMatch(out, /│ broken/);
      assert.match(out, /can be freed\. Nothing was deleted/);
      assert.match(out, /^Judges included: run:first\/2 \(.+B\)\.$/m);
      assert.deepEqual(await contentOf(root), before);
    });

    it('deletes it although it is killed repeatedly, and the remaining artifacts are intact', async () => {
      const { root, alone } = await bench.copyStore();
      const expected = new Map(
        [...(await contentOf(root))].filter(([path]) => !/first\/iteration-2\/training\/model\//.test(path)),
      );
      const shown = await json<RunDetails>(['show', 'first'], alone);
      await litter(root, 200);
      const kept = await contentOf(join(root, 'broken'));
      let kills = 0;
      for (let turn = 0; ; turn += 1) {
        const folder = join(root, 'first/iteration-1/judgments');
        const count = async () => (await readdir(folder)).length;
        const atFirst = await count();
        const child = startCli(['gc', '--keep', 'best', '--yes'], alone);
        const exited = once(child, 'close');
        while (child.exitCode === null && atFirst > 50 && (await count()) === atFirst) await sleep(1);
        await Promise.race([exited, sleep((seed * (turn + 1)) % 29)]);
        if (child.exitCode !== null || turn >= 6) {
          await exited;
          break;
        }
        child.kill('SIGKILL');
        await exited;
        kills += 1;
      }
      const message = `${kills} kills, TEST_SEED=${seed}`;
      const last = await runCli(['gc', '--keep', 'best', '--yes'], alone);
      assert.equal(last.code, 0, message + last.err);
      assert.match(
        (await runCli(['gc', '--keep', 'best'], alone)).out,
        /^There is nothing to delete\./,
        message,
      );
      const remaining = await contentOf(root);
      const more = [...remaining.keys()].filter((path) => !expected.has(path) && !path.startsWith('broken/'));
      assert.deepEqual(
        more.sort(),
        ['first/archive/an-earlier-start/done.json', 'first/iteration-2/training/pruned.json'],
        message,
      );
      for (const [path, content] of expected)
        assert.equal(remaining.get(path), content, `${path}, ${message}`);
      assert.deepEqual(await contentOf(join(root, 'broken')), kept, message);
      const again = await json<RunDetails>(['show', 'first'], alone);
      const figures = ({ judges }: RunDetails) =>
        judges.map(({ evaluations, funnel, usage }) => [evaluations, funnel, usage]);
      assert.deepEqual(figures(again), figures(shown), message);
      assert.deepEqual(
        again.judges.map(({ prunedAt }) => prunedAt !== undefined),
        [false, false, true],
        message,
      );
      assert.equal((await runCli(['compare', 'run:first/1', 'run:first/2'], alone)).code, 0, message);
      const exported = await runCli(['export', 'run:first/2', '--out', join(bench.scratch, 'gone')], alone);
      assert.equal(exported.code, 1);
      assert.match(exported.err, /was deleted by .* The best judge is that of iteration 1/);
    });

    it('keeps the judges that --keep says', async () => {
      const opened = openStore(bench.store);
      const first = await readStoredRun(opened, 'first');
      assert(first !== undefined);
      const freed = async (keep: 'best' | 'last' | 'all', best: number) =>
        (await findGarbage(opened, { ...first, best }, { keep, inUse: new Set() })).map(({ uri: path }) =>
          Number(/iteration-(\d)\/training\/model$/.exec(path)?.[1]),
        );
      assert.deepEqual(await freed('all', 0), []);
      assert.deepEqual(await freed('last', 0), [1]);
      assert.deepEqual(
        (await freed('best', 0)).sort((a, b) => a - b),
        [1, 2],
      );
      assert.deepEqual(await freed('last', 1), []);
      assert.deepEqual(await freed('best', 1), [2]);
    });

    it('stops if the run is started in the meantime', async () => {
      const { root } = await bench.copyStore();
      await litter(root);
      const opened = openStore(root);
      const first = await readStoredRun(opened, 'first');
      assert(first?.owner !== undefined);
      const garbage = await findGarbage(opened, first, { keep: 'best', inUse: new Set() });
      await tryClaim(opened.objects, 'first/owner', first.owner.epoch, {
        workflowId: 'first',
        firstRunId: 'x',
        meaning: {},
      });
      const before = await contentOf(root);
      const { pruned: freed, restarted } = await pruneGarbage(opened, 'first', garbage, first.owner.epoch);
      assert.deepEqual([freed, restarted], [[], true]);
      assert.deepEqual(await contentOf(root), before);
    });

    it('keeps a judge that another run starts from, and skips a run whose end is unknown', async () => {
      const { root, alone } = await bench.copyStore();
      // The evaluation now uses a judge that would otherwise be deleted.
      await rename(join(root, 'first/result.json'), join(root, 'first/kept'));
      const state = JSON.parse(await readFile(join(root, 'first/state.json'), 'utf8')) as object;
      await writeFile(join(root, 'first/state.json'), JSON.stringify({ ...state, best: 2 }));
      const unclear = await runCli(['gc', 'first', '--keep', 'best', '--yes'], alone);
      assert.equal(unclear.code, 1);
      assert.match(
        unclear.out,
        /first was skipped: the store does not say how it ended, and no Temporal server answers/,
      );
      await rename(join(root, 'first/kept'), join(root, 'first/result.json'));
      assert.equal((await runCli(['gc', '--keep', 'best', '--yes'], alone)).code, 0);
      const models = [1, 2].map((iteration) =>
        existsSync(join(root, `first/iteration-${iteration}/training/model`)),
      );
      assert.deepEqual(models, [true, true]);
    });

    it('never touches an open run', async () => {
      const cancelled = Promise.withResolvers<void>();
      bench.recorded.endpoint.script(heldScriptedAnswers(cancelled.promise));
      const live = await startRun(
        bench.recorded.cluster.client,
        tinyConfiguration('live', bench.recorded.endpoint.baseUrl),
      );
      await waitForProgress(live, stageStarted('generatePairs', 0));
      const draft = join(bench.store, 'live', `report.html.tmp-${randomUUID()}`);
      await writeFile(draft, '');
      const asked = await runCli(['gc', 'live', '--yes', '--assume-ended'], bench.environment);
      assert.equal(asked.code, 1);
      assert.match(asked.out, /live was skipped: it is running according to Temporal/);
      const unasked = await runCli(['gc', 'live', '--yes'], { ...bench.environment, ...NO_TEMPORAL });
      assert.equal(unasked.code, 1);
      assert.match(unasked.out, /live was skipped/);
      assert(existsSync(draft));
      const [row] = await json<RunRow[]>(['runs', '--status', 'running']);
      assert.deepEqual([row?.runName, row?.status], ['live', 'running']);
      await live.cancel();
      await live.result().catch(() => undefined);
      // The requests are held, so that nothing else is written to the journals.
      const touchJournals = async (seconds: number) => {
        for await (const segment of glob(join(bench.store, 'live', '**/*.journal/segment-*')))
          await utimes(segment, seconds, seconds);
      };
      await touchJournals(Date.now() / 1000);
      const early = await runCli(['gc', 'live', '--yes'], bench.environment);
      assert.equal(early.code, 1);
      assert.match(early.out, /live was skipped: records were written in the last minute/);
      assert(existsSync(draft));
      await touchJournals(1000);
      const late = await runCli(['gc', 'live', '--yes'], bench.environment);
      assert.equal(late.code, 0, late.out);
      cancelled.resolve();
      assert(!existsSync(draft));
    });

    it('leaves a run that can be started again, unless one of its other artifacts is missing', async () => {
      assert.equal((await runCli(['gc', 'first', '--keep', 'best', '--yes'], bench.environment)).code, 0);
      const asked = bench.recorded.endpoint.requests.length;
      const result = await (await startRun(bench.recorded.cluster.client, bench.recorded.first)).result();
      assert.equal(result.best, 1);
      const sent = bench.recorded.endpoint.requests.slice(asked);
      assert(
        sent.every(({ body }) => isCanary(body)),
        'nothing is judged again',
      );
      assert(existsSync(join(bench.store, 'first/outputs/model/config.json')));
      const longer = await startRun(bench.recorded.cluster.client, {
        ...bench.recorded.first,
        iterations: 3,
      });
      await assert.rejects(longer.result());
      const { failure } = await json<RunDetails>(['show', 'first']);
      assert.match(failure ?? '', /iteration-2\/training\/model was deleted by .* train it again/);
    });
  });
}
