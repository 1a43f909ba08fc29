/** Trainings whose folders are in a bucket, on machines that are lost with their disks. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Adapter } from '../../../src/models/training/adapter.ts';
import {
  BucketTrainings,
  TRAININGS,
  type HeldTrainer,
  type Trainer,
} from '../../support/bucket-trainings.ts';
import { NO_S3_SERVER } from '../../support/s3-server.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);

describe('a training in a bucket', function () {
  this.timeout(600_000);
  let trainings: BucketTrainings;
  /** The digest of the same training's weights in a folder. */
  let expected: string;

  before(async function () {
    const opened = await BucketTrainings.open();
    if (opened === undefined) {
      console.log(`      skipped: ${NO_S3_SERVER}`);
      return this.skip();
    }
    trainings = opened;
    expected = await trainings.trainInFolder();
  });
  after(() => trainings?.close());

  const keysOf = async (name: string) => (await trainings.objects(name).list('')).map(({ key }) => key);
  const nothingLeft = (host: string) =>
    assert.deepEqual(readdirSync(join(trainings.disk(host), 'trainings', host)), []);

  it('has the weights of one in a folder, and the same files', async () => {
    const job = trainings.job('whole', { reportTo: ['tensorboard'] });
    const trainer = await trainings.start(job, { host: 'whole' });
    const { code, output } = await trainer.ended;
    assert.equal(code, 0, output);
    assert.equal((await trainings.result('whole')).model.sha256, expected);
    const keys = (await keysOf('whole')).map((key) => key.replace(/events\.\S+/, 'events'));
    assert.deepEqual(keys, [
      'heartbeat',
      ...['chat_template.jinja', 'config.json', 'generation_config.json', 'model.safetensors'].map(
        (name) => `model/${name}`,
      ),
      ...['tokenizer.json', 'tokenizer_config.json'].map((name) => `model/${name}`),
      ...['progress.jsonl', 'result.json'],
      ...[`starts/${trainer.token}/exit.json`, `starts/${trainer.token}/job.json`],
      ...['tensorboard/events', 'trainer.log'],
    ]);
    assert.deepEqual(
      (await trainings.progress('whole')).map(({ step }) => step),
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    assert.deepEqual(await trainings.exit('whole', trainer.token), { exitCode: 0, message: 'done' });
    assert.match(await trainings.log('whole'), /done: 40 steps[^\n]*\n$/);
    assert.match(output, /done: 40 steps/, 'it also prints what it logs');
    nothingLeft('whole');
  });

  it('is done at once if it has a result', async () => {
    const again = await trainings.start(trainings.job('whole'), { host: 'whole' });
    assert.equal((await again.ended).code, 0);
    assert.equal((await trainings.exit('whole', again.token)).exitCode, 0);
    assert.equal((await trainings.progress('whole')).length, 40);
    const other = await trainings.start(trainings.job('whole', { seed: 8 }), { host: 'whole' });
    assert.equal((await other.ended).code, 78);
    assert.match(
      (await trainings.exit('whole', other.token)).message,
      /^s3:..trainings.whole belongs to another job, which differs in seed$/,
    );
  });

  it('keeps an adapter that names the base by its address', async () => {
    const adapter: Adapter = {
      ...{ kind: 'lora', rank: 8, alpha: 16, dropout: 0 },
      ...{ targetModules: 'all-linear', saveAdapter: true },
    };
    const trainer = await trainings.start(trainings.job('lora', { adapter }));
    const { code, output } = await trainer.ended;
    assert.equal(code, 0, output);
    assert.equal((await trainings.result('lora')).model.sha256, await trainings.trainInFolder({ adapter }));
    const settings = await trainings.objects('lora').get('adapter/adapter_config.json');
    assert.match(
      settings?.content.toString() ?? '',
      /"base_model_name_or_path": "s3:..trainings.inputs.base"/,
    );
  });

  it(`has the same weights after machines were lost with their disks (TEST_SEED=${seed})`, async () => {
    const random = (number: number) =>
      createHash('sha256').update(`${seed} ${number}`).digest().readUInt32LE() / 2 ** 32;
    const resumed: number[] = [];
    let lost: Trainer | undefined;
    for (let number = 0; ; number += 1) {
      const host = `lost-${number}`;
      const trainer = await trainings.start(trainings.job('lost'), { host, seconds: number < 3 ? 0.6 : 0 });
      if (lost !== undefined) await trainings.recordSilence('lost', lost.token);
      if (number === 3) {
        const { code, output } = await trainer.ended;
        assert.equal(code, 0, output);
        break;
      }
      const steps = (await trainings.progress('lost')).length;
      await trainings.untilStep('lost', (resumed.at(-1) ?? 0) + 2, trainer);
      const { child } = trainer;
      // On a slow machine it may be done before it is killed.
      while (child.exitCode === null && (await trainings.progress('lost')).length === steps) await sleep(50);
      await sleep(4000 * random(number));
      child.kill('SIGKILL');
      await trainer.ended;
      await rm(trainings.disk(host), { recursive: true });
      // So that no request of the trainer is carried out later.
      await trainings.server.kill();
      await trainings.server.start();
      const newest = (await trainings.checkpoints('lost')).at(-1);
      if (newest !== undefined) resumed.push(newest);
      lost = trainer;
    }
    const result = await trainings.result('lost');
    assert.equal(result.model.sha256, expected);
    // A start that stored no checkpoint leaves no trace.
    assert.deepEqual(result.resumedFromSteps, [...new Set(resumed)]);
  });

  describe('that was stopped', () => {
    let trainer: HeldTrainer;
    before(async () => {
      trainer = await trainings.start(trainings.job('stopped'), { host: 'stopped', holdAfter: 13 });
      await trainings.untilStep('stopped', 12, trainer);
      const request = { token: trainer.token, reason: 'a test', kill: false };
      await trainings.objects('stopped').put('stop.json', JSON.stringify(request));
      while (!(await trainings.log('stopped')).includes('stop requested')) await sleep(50);
      await trainer.release();
      assert.equal((await trainer.ended).code, 75);
    });

    it('has a checkpoint of its last step, and says why it ended', async () => {
      const last = (await trainings.progress('stopped')).at(-1)?.step;
      assert.equal((await trainings.checkpoints('stopped')).at(-1), last);
      assert.match((await trainings.exit('stopped', trainer.token)).message, /stopped at step \d+ of 40/);
      assert.match(
        await trainings.log('stopped'),
        /stop requested: a test[^]*trainer: s3:..trainings.stopped.checkpoints: stopped at/,
      );
      assert(!(await keysOf('stopped')).includes('lease.json'));
      nothingLeft('stopped');
    });

    /** Continues a copy on another machine. */
    async function continueAfter(name: string, change: (newest: string) => Promise<unknown>) {
      await trainings.copy('stopped', name);
      const [before = 0, newest = 0] = await trainings.checkpoints(name);
      await change(`checkpoints/checkpoint-${newest}`);
      const next = await trainings.start(trainings.job(name), { host: name });
      const { code, output } = await next.ended;
      assert.equal(code, 0, output);
      const result = await trainings.result(name);
      assert.equal(result.model.sha256, expected);
      const damaged = await trainings.objects(name).get('damaged-checkpoints.jsonl');
      return { result, before, newest, damaged: damaged?.content.toString(), output };
    }

    it('ignores a checkpoint that was not sent completely', async () => {
      const { result, newest, damaged } = await continueAfter('incomplete', async () => {
        const weights = 'checkpoints/checkpoint-39/model.safetensors';
        await trainings.objects('incomplete').put(weights, 'half of it');
      });
      assert.deepEqual(result.resumedFromSteps, [newest]);
      assert.equal(damaged, undefined);
      assert.deepEqual(await trainings.objects('incomplete').list('checkpoints'), []);
    });

    it('continues from the one before if the newest checkpoint is damaged, and says so', async () => {
      const { result, before, newest, damaged, output } = await continueAfter('damaged', async (folder) => {
        const objects = trainings.objects('damaged');
        const content = (await objects.get(`${folder}/optimizer.pt`))?.content ?? Buffer.of();
        content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
        await objects.put(`${folder}/optimizer.pt`, content);
      });
      assert.deepEqual(result.resumedFromSteps, [before]);
      const reason = `${TRAININGS}/damaged/checkpoints/checkpoint-${newest}/optimizer.pt has another content than when it was saved`;
      assert.deepEqual(JSON.parse(damaged ?? ''), { checkpoint: `checkpoint-${newest}`, reason });
      assert(output.includes(`/checkpoint-${newest} is damaged`), output);
    });

    it('continues from the one before if a file of the newest checkpoint is missing', async () => {
      const { result, before, damaged } = await continueAfter('missing', (folder) =>
        trainings.objects('missing').delete(`${folder}/model.safetensors`),
      );
      assert.deepEqual(result.resumedFromSteps, [before]);
      assert.match(damaged ?? '', /model\.safetensors has no bytes instead of \d+/);
    });
  });

  it('is refused if the base or the training set is not as the store has recorded it', async () => {
    const recorded = trainings.objects('recorded');
    await trainings.copy('inputs', 'recorded');
    await trainings.copy('inputs/base', 'recorded/model');
    const manifest = {
      sha256: '0',
      files: { 'sft.jsonl': 'f00d' },
      storedAs: { 'sft.jsonl': 'a/sft.jsonl' },
    };
    await recorded.put('manifest.json', JSON.stringify(manifest));
    await trainings.copy('inputs', 'recorded/a');
    const files = [{ name: 'config.json', sha256: 'f00d' }];
    await recorded.put('result.json', JSON.stringify({ model: { files } }));
    const data = `${TRAININGS}/recorded/a/sft.jsonl`;
    const base = `${TRAININGS}/recorded/model`;
    const byData = await trainings.start(trainings.job('by-data', { data }));
    assert.deepEqual(
      [(await byData.ended).code, (await trainings.exit('by-data', byData.token)).message],
      [65, `${data} has another content than its manifest.json says`],
    );
    const byBase = await trainings.start(trainings.job('by-base', { baseCheckpoint: base }));
    assert.deepEqual(
      [(await byBase.ended).code, (await trainings.exit('by-base', byBase.token)).message],
      [78, `base checkpoint ${base}: config.json has another content than when it was trained`],
    );
    nothingLeft('machine');
  });

  it('trains with several processes of a machine, as launch_ranks starts them', async () => {
    const start = `${TRAININGS}/ranks/starts/ranks`;
    const job = { ...trainings.job('ranks'), token: 'ranks' };
    await trainings.objects('ranks/starts/ranks').put('job.json', JSON.stringify(job));
    const launch = (nodes: string, ...variables: string[]) =>
      trainings.run(
        [
          ...['-m', 'trainer.launch_ranks', '--nodes', nodes, '--processes', '2', '--start', start],
          ...['--log', `${TRAININGS}/ranks/trainer.log`, '--'],
          ...['env', ...variables, process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3'],
          ...['-m', 'trainer', '--job', `${start}/job.json`],
        ],
        { environment: { SELF_TAUGHT_EVALUATOR_CACHE: trainings.disk('ranks') } },
      ).ended;
    const severalMachines = await launch('2');
    assert.equal(severalMachines.code, 78);
    assert.match(
      severalMachines.output,
      /several machines keeps its output in a folder that all of them see/,
    );
    const byTorchrun = await launch('1', 'LOCAL_WORLD_SIZE=1');
    assert.equal(byTorchrun.code, 78);
    await trainings.objects('ranks').delete('starts/ranks/exit.json');
    const { code, output } = await launch('1');
    assert.equal(code, 0, output);
    assert.equal((await trainings.result('ranks')).steps, 20);
    assert.match(await trainings.log('ranks'), /20 steps on 2 x cpu/);
  });

  it('can be checked before, by the files of its base that are no weights', async () => {
    const check = async (base: string) => {
      const { code, output } = await trainings.run(['-m', 'trainer', '--check', '--base-checkpoint', base])
        .ended;
      const line = output.split('\n').find((each) => each.startsWith('{')) ?? '{}';
      return { code, ...(JSON.parse(line) as { ok: boolean; problems: string[] }) };
    };
    const good = await check(`${TRAININGS}/inputs/base`);
    assert.deepEqual([good.code, good.ok, good.problems], [0, true, []]);
    const bad = await check(`${TRAININGS}/inputs/other`);
    assert.deepEqual(
      [bad.code, bad.problems],
      [78, [`base checkpoint ${TRAININGS}/inputs/other: no such folder in the bucket`]],
    );
  });
});
