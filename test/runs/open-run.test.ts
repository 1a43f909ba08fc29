import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openEvaluation, openModels, openPairsJudging, openRun } from '../../src/runs/open-run.ts';
import { toReference } from '../../src/store/artifact.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { startTestRun } from '../support/test-run.ts';

describe('openRun', () => {
  it('reads the configuration that the run was started with', async () => {
    const run = await startTestRun({ seed: 7 });
    assert.equal((await openRun(run.deps.store, run.run)).configuration.seed, 7);
    await run.close();
  });

  it('says that this worker has another store, so that a worker with the right store can take the work', async () => {
    const run = await startTestRun();
    const other = openStore(join(run.folder, 'another'));
    await assert.rejects(openRun(other, run.run), {
      name: 'StoreMismatch',
      message: new RegExp(`${other.address}, does not contain the run test.*--task-queue`),
    });
    await run.close();
  });

  it('says that the configuration was removed from the folder of the run, which the run then makes again', async () => {
    const run = await startTestRun();
    await run.deps.store.objects.put('test/owner/000001.json', '{}');
    const { uri } = run.run.configuration;
    for (const { key } of await run.deps.store.objects.list(uri)) await run.deps.store.objects.delete(key);
    await assert.rejects(openRun(run.deps.store, run.run), {
      name: 'ArtifactDamaged',
      message: new RegExp(`${run.deps.store.locate(uri)}, the configuration of the run, is missing`),
    });
    await run.close();
  });

  it('rejects a part of a configuration, and a configuration with an invalid field', async () => {
    const run = await startTestRun();
    const { configuration, prompts } = await openRun(run.deps.store, run.run);
    const { runName, seed, models, serving, inference, timeouts, evaluation, reasoning } = configuration;
    const part = { runName, seed, models, serving, inference, timeouts, evaluation, reasoning };
    const stored = async (name: string, record: unknown) => ({
      runName: 'test',
      configuration: toReference(
        await run.deps.store.publish(`test/configurations/${name}`, {
          fingerprint: { schema: 1 },
          records: [record],
        }),
      ),
    });
    const partial = await stored('1', { configuration: part, prompts: { evaluation: prompts.evaluation } });
    await assert.rejects(openRun(run.deps.store, partial), {
      name: 'InvalidInput',
      message: /configurations\/1 is not a valid resolved configuration: .*prompts\.judge/,
    });
    const invalid = await stored('2', { configuration: { ...configuration, seed: 'x' }, prompts });
    await assert.rejects(openRun(run.deps.store, invalid), { message: /configuration\.seed/ });
    assert.deepEqual((await openEvaluation(run.deps.store, partial)).configuration, part);
    await run.close();
  });

  it("reads only the requested fields of a run's configuration", async () => {
    const run = await startTestRun();
    const common = ['inference', 'models', 'runName', 'seed', 'serving', 'timeouts'];
    const fields = ({ configuration }: { readonly configuration: object }) =>
      Object.keys(configuration).sort();
    assert.deepEqual(fields(await openModels(run.deps.store, run.run)), [...common, 'fineTuning'].sort());
    assert.deepEqual(
      fields(await openEvaluation(run.deps.store, run.run)),
      [...common, 'evaluation', 'reasoning'].sort(),
    );
    await assert.rejects(openPairsJudging(run.deps.store, run.run), { message: /judge: / });
    await run.close();
  });
});
