import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openServerRegistry } from '../../src/models/serving/server-registry.ts';
import { trainingJobSchema, type TrainingJob } from '../../src/models/training/job.ts';
import { processLauncher } from '../../src/models/training/launchers/process.ts';
import { prunedModel } from '../../src/models/training/pruned-model.ts';
import { readStoredTraining } from '../../src/models/training/stored-training.ts';
import { readFaults } from '../../src/models/training/trainer-faults.ts';
import {
  claimStart,
  newestStart,
  startTokens,
  type TrainerStart,
} from '../../src/models/training/trainer-starts.ts';
import { TrainingMonitor } from '../../src/models/training/training-monitor.ts';
import { fineTuningSchema, roundForIteration } from '../../src/config/fine-tuning.ts';
import { claimRun } from '../../src/runs/claim-run.ts';
import { recentActivity } from '../../src/runs/liveness.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { readRunState } from '../../src/runs/run-state.ts';
import { readStoredRun, storedRunNames } from '../../src/runs/stored-run.ts';
import { UsageLedger } from '../../src/runs/usage/usage-ledger.ts';
import { type ArtifactStore, openStore } from '../../src/store/artifact-store.ts';
import { withLock } from '../../src/platform/file-lock.ts';

/** The contents that a small file may have after a crash of a machine or of a network file system. */
const REMAINS = { empty: '', truncated: '{"token": "a", "sch', 'of null bytes': '\0\0\0\0\0\0\0\0' };

for (const [what, content] of Object.entries(REMAINS))
  describe(`a small file that a crash has left ${what}`, () => {
    let root: string;
    let store: ArtifactStore;
    const logged: string[] = [];
    beforeEach(async () => {
      logged.length = 0;
      root = await mkdtemp(join(tmpdir(), 'truncated-'));
      store = openStore(root, (line) => logged.push(line));
    });
    afterEach(() => rm(root, { recursive: true }));

    async function damage(key: string): Promise<string> {
      const file = join(root, key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      return file;
    }

    it('as the claim of a run lets the next start own the run, and is logged', async () => {
      await damage('run/owner/000001.json');
      const me = { workflowId: 'run', firstRunId: '1', fingerprint: {} };
      assert.deepEqual(await claimRun({ store, temporal: undefined as never }, 'run', me), { kind: 'owned' });
      assert.deepEqual((await store.latestClaim('run/owner'))?.holder, me);
      assert.equal((await store.latestClaim('run/owner'))?.epoch, 2);
      assert.match(logged[0] ?? '', /run\/owner\/000001\.json can't be read .*counts as a claim by nobody/);
    });

    it('as state, result or claim of a run leaves the run in the lists', async () => {
      for (const uri of [runUris.state('run'), runUris.result('run'), 'run/owner/000001.json'])
        await damage(uri);
      assert.equal(await readRunState(store, 'run'), undefined);
      assert.deepEqual(await storedRunNames(store), ['run']);
      const { state, result, endStatus } = (await readStoredRun(store, 'run')) ?? {};
      assert.deepEqual([state, result, endStatus], [undefined, undefined, undefined]);
    });

    it('as an account of the usage is replaced by its synced copy', async () => {
      const ledger = new UsageLedger(store.objects, 'run/usage');
      await ledger.recordRequest('seed');
      const [account = ''] = (await store.names('run/usage')).filter((name) => name.endsWith('.json'));
      await damage(`run/usage/${account}`);
      const other = new UsageLedger(store.objects, 'run/usage');
      await other.refresh();
      assert.equal(other.usage(undefined).requests, 1);
    });

    it('as the limits of the usage is named in an error, and never counts as no limit', async () => {
      await damage('run/usage/limits.json');
      await assert.rejects(
        new UsageLedger(store.objects, 'run/usage').refresh(),
        /run\/usage\/limits\.json contains the limits of the run/,
      );
    });

    it('as the entry of a model server makes the server unknown', async () => {
      await damage('servers/key.server.json');
      const registry = openServerRegistry(join(root, 'servers'));
      assert.equal(registry.read('key'), undefined);
      assert.deepEqual(registry.list(), []);
    });

    it('as a lock is free, unless it was modified just now', async () => {
      const file = await damage('lock.1');
      const lock = join(root, 'lock');
      // Is within five seconds of now, which counts as just now, also after this machine has stood still for nine.
      const soonAfter = Date.now() / 1000 + 4;
      await utimes(file, soonAfter, soonAfter);
      const soon = { signal: AbortSignal.timeout(300) };
      await assert.rejects(
        withLock(lock, () => Promise.resolve(), soon),
        { name: 'TimeoutError' },
      );
      const tenSecondsAgo = Date.now() / 1000 - 10;
      await utimes(file, tenSecondsAgo, tenSecondsAgo);
      assert.equal(await withLock(lock, () => Promise.resolve('held')), 'held');
      await assert.rejects(readFile(file), { code: 'ENOENT' });
    });

    it('as the note of a deleted model still says that it was deleted', async () => {
      await damage('run/iteration-1/training/pruned.json');
      assert.equal((await prunedModel(store, 'run/iteration-1/training'))?.prunedAt, 'an unknown time');
    });

    describe('in the folder of a training', () => {
      const training = 'run/iteration-1/training';
      let job: TrainingJob;
      beforeEach(async () => {
        await writeFile(join(root, 'data.jsonl'), '');
        const { hyperparameters } = roundForIteration(fineTuningSchema.parse({}), 1);
        job = trainingJobSchema.parse({
          ...{ schema: 1, method: 'sft', baseCheckpoint: '/base', data: join(root, 'data.jsonl'), seed: 1 },
          ...{ outputFolder: join(root, training), hyperparameters, adapter: { kind: 'none' }, threads: 1 },
          ...{ trustRemoteCode: false, name: 'test', reportTo: [] },
        });
      });
      const state = () =>
        new TrainingMonitor(store.objectsBelow(training), processLauncher, 30).readState(job);

      const claim = (token: string, after: TrainerStart | undefined) =>
        claimStart(store.objectsBelow(training), { token, after, job, launcher: 'process' });

      it('as the claim of a start, the first or a later one, lets another trainer be started', async () => {
        await damage(`${training}/starts/000001.json`);
        assert.deepEqual(await state(), { kind: 'idle', start: undefined, gone: undefined });
        assert((await claim('first', undefined)) !== undefined);
        assert.equal(await claim('late', undefined), undefined);
        await damage(`${training}/starts/000003.json`);
        const first = await newestStart(store.objectsBelow(training));
        assert.equal(first?.token, 'first');
        assert((await claim('second', first)) !== undefined);
        assert.deepEqual(await startTokens(store.objectsBelow(training)), ['first', 'second']);
        const log = await readFile(join(job.outputFolder, 'trainer.log'), 'utf8');
        assert.match(log, /000001\.json can't be read/);
        assert.match(log, /000003\.json can't be read .*counts as a claim by nobody/);
      });

      it('as lease, launch, exit or fault counts as missing', async () => {
        assert((await claim('first', undefined)) !== undefined);
        await damage(`${training}/lease.json`);
        for (const name of ['launch.json', 'exit.json', 'fault.json', 'running.json'])
          await damage(`${training}/starts/first/${name}`);
        assert.equal((await state()).kind, 'starting');
        const { job: launched, exit } = (await newestStart(store.objectsBelow(training))) ?? {};
        assert.deepEqual([launched, exit], [undefined, undefined]);
        assert.deepEqual(await readFaults(store.objectsBelow(training)), []);
        assert.equal(await recentActivity(store, 'run'), undefined);
      });

      it('as the result counts as damage, so that the model is trained again', async () => {
        await damage(`${training}/result.json`);
        const damaged = { name: 'ArtifactDamaged', message: /training\/result\.json can't be read/ };
        await assert.rejects(state(), damaged);
        await assert.rejects(readStoredTraining(store, training), damaged);
      });
    });
  });
