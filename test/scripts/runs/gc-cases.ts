import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun } from '../../../src/client.ts';
import { claim } from '../../../src/artifacts/claim.ts';
import { ArtifactStore } from '../../../src/artifacts/store.ts';
import { freeGarbage } from '../../../src/runs/free-garbage.ts';
import { findGarbage } from '../../../src/runs/garbage.ts';
import type { RunRow } from '../../../src/runs/run-list.ts';
import type { RunSheet } from '../../../src/runs/run-sheet.ts';
import { readStoredRun } from '../../../src/runs/stored-run.ts';
import { answersSlowly, hasBegun, progressUntil, tinyConfiguration } from '../../workflows/tiny-run.ts';
import { contentOf, NO_TEMPORAL, run, start } from './command.ts';
import type { Workbench } from './workbench.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now()) % 2 ** 31;

/** What gc frees, and what it never touches. */
export function describeGc(bench: Workbench): void {
  const json = <T>(args: string[], env?: NodeJS.ProcessEnv) => bench.json<T>(args, env);

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
      const { root, alone } = await bench.copied();
      await litter(root);
      const before = await contentOf(root);
      const { code, out } = await run(['gc', '--keep', 'best'], alone);
      assert.equal(code, 0);
      for (const kind of [...KINDS.split('|'), 'judges that are not kept'])
        assert.match(out, new RegExp(`│ first +│ ${kind} +│`));
      assert.doesNotMatch(out, /│ broken/);
      assert.match(out, /could be freed\. Nothing was touched/);
      assert.match(out, /^Judges among it: first@2 \(.+B\)\.$/m);
      assert.deepEqual(await contentOf(root), before);
    });

    it('frees it, though it is killed again and again, and what is left is whole', async () => {
      const { root, alone } = await bench.copied();
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
      const gone = await run(
        ['export', 'first', '--iteration', '2', '--out', join(bench.scratch, 'gone')],
        alone,
      );
      assert.equal(gone.code, 1);
      assert.match(gone.err, /was freed by .* The best judge is that of iteration 1/);
    });

    it('keeps the judges that it is told to', async () => {
      const opened = new ArtifactStore(bench.store);
      const first = await readStoredRun(opened, 'first');
      assert(first !== undefined);
      const freed = async (keep: 'best' | 'last' | 'all', best: number) =>
        (await findGarbage(opened, { ...first, best }, { keep, inUse: new Set() })).map(({ path }) =>
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

    it('stops where the run is started while it works', async () => {
      const { root } = await bench.copied();
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
      const { root, alone } = await bench.copied();
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
      bench.made.endpoint.script(answersSlowly);
      const live = await startRun(
        bench.made.cluster.client,
        tinyConfiguration('live', bench.made.endpoint.baseUrl),
      );
      await progressUntil(live, hasBegun('generatePairs', 0));
      const draft = join(bench.store, 'live', `report.html.draft-${randomUUID()}`);
      await writeFile(draft, '');
      const asked = await run(['gc', 'live', '--yes', '--assume-ended'], bench.environment);
      assert.equal(asked.code, 1);
      assert.match(asked.out, /live is left alone: Temporal says that it is under way/);
      const unasked = await run(['gc', 'live', '--yes'], { ...bench.environment, ...NO_TEMPORAL });
      assert.equal(unasked.code, 1);
      assert.match(unasked.out, /live is left alone/);
      assert(existsSync(draft));
      const [row] = await json<RunRow[]>(['runs', '--status', 'running']);
      assert.deepEqual([row?.runName, row?.phase], ['live', 'working']);
      await live.cancel();
      await live.result().catch(() => undefined);
      assert.equal((await run(['gc', 'live', '--yes'], bench.environment)).code, 0);
      assert(!existsSync(draft));
    });

    it('leaves a run that can be started again: it needs what was freed only where something is missing', async () => {
      assert.equal((await run(['gc', 'first', '--keep', 'best', '--yes'], bench.environment)).code, 0);
      const asked = bench.made.endpoint.requests.length;
      const result = await (await startRun(bench.made.cluster.client, bench.made.first)).result();
      assert.equal(result.best, 1);
      const canary = ({ body }: { body: { max_tokens?: number } }) => body.max_tokens === 1;
      assert(bench.made.endpoint.requests.slice(asked).every(canary), 'nothing is judged again');
      assert(existsSync(join(bench.store, 'first/outputs/model/config.json')));
      const longer = await startRun(bench.made.cluster.client, { ...bench.made.first, iterations: 3 });
      await assert.rejects(longer.result());
      const { failure } = await json<RunSheet>(['show', 'first']);
      assert.match(failure ?? '', /iteration-2\/training\/model was freed by .* train it again/);
    });
  });
}
