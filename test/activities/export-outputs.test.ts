import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, lstat, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { exportOutputs, type ExportOutputsInput } from '../../src/activities/export-outputs.ts';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { openRun } from '../../src/runs/open-run.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { pushOutputs } from '../../src/activities/push-outputs.ts';
import type { IterationSummary } from '../../src/api/result.ts';
import { writeInitialJudgeFile } from '../../src/reporting/exports/write-judge-files.ts';
import { toReference } from '../../src/store/artifact.ts';
import { toStoreCheckpoint } from '../../src/runs/find-checkpoint.ts';
import { fineTuningSchema, roundForIteration } from '../../src/config/fine-tuning.ts';
import { parseJudgeFile } from '../../src/api/judge-file.ts';
import { writeExport } from '../../src/reporting/exports/export-folder.ts';
import { exportPlan } from '../../src/reporting/exports/export-plan.ts';
import { processLauncher } from '../../src/models/training/launchers/process.ts';
import { followTraining } from '../../src/models/training/follow-training.ts';
import { findModelDamage, readTrainingResult } from '../../src/models/training/model-integrity.ts';
import { pushExport } from '../../src/reporting/exports/push-export.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { watchLocalFolders } from '../support/watch-local-folders.ts';
import { configuration, judgments, pairs } from './exported-run.ts';
import { flipByte } from '../support/flip-byte.ts';
import { startPushableHub } from '../support/pushable-hub.ts';
import { sampleScores } from '../support/sample-report.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { openObjectStore } from '../../src/store/drivers.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = {
  ...process.env,
  OMP_NUM_THREADS: '1',
  HF_HUB_OFFLINE: '1',
  HF_DATASETS_OFFLINE: '1',
  CUDA_VISIBLE_DEVICES: '',
  PYTHONPATH: packageRoot,
};
const runPython = async (...command: string[]) =>
  (await promisify(execFile)(python, command, { env: environment, maxBuffer: 1 << 26 })).stdout;

const token = 'hf_secret_of_this_test';
describe('the outputs of a run', function () {
  this.timeout(900_000);
  let testRun: TestRun;
  let input: ExportOutputsInput;
  let base: string;

  before(async () => {
    testRun = await startTestRun(configuration);
    const { deps, run, folder } = testRun;
    base = join(folder, 'base');
    await runPython(join(packageRoot, 'test/models/training/make_tiny_checkpoint.py'), base);
    const judged = await testRun.publish(runUris.pairs('test'), pairs, 5);
    const categorized = pairs.map(({ id, instruction }, index) => ({
      id,
      instruction,
      category: index % 4 === 0 ? 'math' : 'chat',
    }));
    await testRun.publish(runUris.categories('test'), categorized, 5);
    for (const iteration of [1, 2]) {
      const sampled = await testRun.publish(runUris.judgments('test', iteration), judgments, 20);
      const filter = { run, iteration, pairs: judged, judgments: sampled };
      const { artifact } = await asActivity(() => filterJudgments(deps, filter));
      if (iteration === 1) await train((await deps.store.localRecords(artifact)).path, iteration);
    }
    input = {
      run,
      best: 1,
      warnings: ['a | b is <both>'],
      iterations: [await summary(0, 0.5), await summary(1, 0.9), await summary(2, 0.8)],
    };
    await asActivity(() => exportOutputs(deps, input));
  });
  after(() => testRun.close());

  async function train(data: string, iteration: number): Promise<void> {
    const hyperparameters = {
      maxSteps: 1,
      gradientAccumulationSteps: 1,
      maxLength: 128,
      precision: 'float32',
    };
    const one = fineTuningSchema.parse({ rounds: [{ method: 'sft', hyperparameters }] });
    await followTraining({
      job: {
        schema: 1,
        method: 'sft',
        baseCheckpoint: base,
        data,
        outputFolder: testRun.deps.store.locate(runUris.training('test', iteration)),
        seed: 1,
        hyperparameters: roundForIteration(one, 1).hyperparameters,
        adapter: { kind: 'none' },
        threads: 1,
        trustRemoteCode: false,
        name: 'test',
        reportTo: [],
      },
      launcher: processLauncher,
      settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
      machine: { python, packageRoot, environment },
      pollMilliseconds: 50,
    });
  }

  async function summary(iteration: number, skill: number): Promise<IterationSummary> {
    const scores = await testRun.deps.store.publish(runUris.scores('test', iteration, 'held-out'), {
      fingerprint: { iteration },
      records: [sampleScores(skill, 40, iteration)],
    });
    const evaluation = {
      benchmark: 'held-out',
      purpose: 'test' as const,
      accuracy: skill,
      positionConsistentAccuracy: skill,
      shareOfA: 0.5,
      unparsable: 0,
      pairs: 40,
      scores: toReference(scores),
    };
    const model = {
      checkpoint: toStoreCheckpoint(`${runUris.training('test', iteration)}/model`),
      sha256: '',
    };
    return { iteration, model, evaluations: [evaluation], counts: {}, seconds: {} };
  }

  const path = (uri: string) => testRun.deps.store.locate(uri);
  const card = () => readFile(join(path(runUris.modelFolder('test')), 'README.md'), 'utf8');

  it('can be loaded by datasets, trained on by TRL, and used with transformers by the program in the card', async () => {
    const out = await runPython(
      join(packageRoot, 'test/reporting/cards/check_outputs.py'),
      path(runUris.datasetFolder('test')),
      path(runUris.modelFolder('test')),
      base,
      join(testRun.folder, 'scratch'),
    );
    const { sets, model } = JSON.parse(out.trim().split('\n').at(-1) ?? '') as {
      sets: Record<
        string,
        {
          rows: number;
          loss: number;
          first: Record<string, unknown>;
          prompt: string;
          sameAsLines: boolean;
          categories: string[];
        }
      >;
      model: Record<'snippet' | 'template' | 'dtype', string> & {
        figures: unknown[][];
        endsAt: number;
        usesCache: boolean;
      };
    };
    assert.deepEqual(Object.keys(sets), ['prompt-completion/iteration_1', 'preference/iteration_2']);
    for (const [name, found] of Object.entries(sets)) {
      assert.equal(found.rows, 48, name);
      assert(found.sameAsLines, name);
      assert.deepEqual(found.categories, ['None', 'math']);
      assert(found.loss > 0);
      assert.match(found.prompt, /^list<element: struct<role: string, content: string>>$/);
      const { prompt, completion, chosen, rejected, ...facts } = found.first;
      assert.deepEqual(facts, {
        id: 'pair-00/better-first/0000',
        pair_id: 'pair-00',
        order: 'better-first',
        better_side: 'A',
        verdict: 'A',
        source: 'generated',
        category: 'math',
        ...(name.startsWith('preference') ? { rejected_verdict: 'B' } : {}),
      });
      assert.deepEqual(prompt, [
        { role: 'user', content: 'Question 0? "quoted"\n\u2028 (A) better 0 (B) worse 0 é 😀' },
      ]);
      assert.deepEqual(completion ?? chosen, [{ role: 'assistant', content: 'says [[A]]' }]);
      assert.deepEqual(rejected ?? null, chosen ? [{ role: 'assistant', content: 'says [[B]]' }] : null);
    }
    assert.match(model.snippet, /(None|[AB])\n$/);
    assert.match(model.template, /add_generation_prompt/);
    assert.equal(model.endsAt, 1);
    assert.equal(model.dtype, 'torch.float16');
    assert.deepEqual(model.figures[0]?.slice(0, 2), ['held-out', 'Accuracy, both orders']);
    assert.equal(model.figures.length, 4);
    assert.equal(model.usesCache, true);
  });

  it('have the same model files as the training', async () => {
    const training = path(runUris.training('test', 1));
    const result = await readTrainingResult(openObjectStore(training));
    assert(result !== undefined);
    const folder = path(runUris.modelFolder('test'));
    assert.deepEqual(
      (await readdir(folder)).sort(),
      ['README.md', 'judge.json', ...result.model.files.map(({ name }) => name)].sort(),
    );
    const weights = join(folder, 'model.safetensors');
    assert((await lstat(weights)).isSymbolicLink());
    assert.equal(await realpath(weights), await realpath(join(training, 'model', 'model.safetensors')));
    await appendFile(join(folder, 'README.md'), 'a note\n');
    assert.equal(await findModelDamage(openObjectStore(training), result, 'content'), undefined);
    await asActivity(() => exportOutputs(testRun.deps, input));
    assert(!(await card()).includes('a note'));
  });

  it('have a judge.json with the prompt and the figures of each judge, the same for each export', async () => {
    const text = (uri: string) => readFile(path(uri), 'utf8');
    const exported = await text('test/outputs/model/judge.json');
    assert.equal(await text(runUris.judgeFile('test', 1)), exported);
    const judge = parseJudgeFile(JSON.parse(exported), 'judge.json');
    assert.deepEqual([judge.run, judge.iteration, judge.seedModel], ['test', 1, { name: 'm' }]);
    assert.deepEqual(judge.prompt, { user: '{instruction} (A) {responseA} (B) {responseB}' });
    assert.deepEqual(judge.sampling, { temperature: 0, topP: 1, maxTokens: 4 });
    assert.deepEqual(judge.voting.sampling, { temperature: 0.7, topP: 0.9, maxTokens: 4 });
    const [figures] = judge.figures;
    assert.deepEqual([figures?.benchmark, figures?.purpose, figures?.pairs], ['held-out', 'test', 40]);
    assert.equal(figures?.accuracy, sampleScores(0.9, 40, 1).accuracy);
    const seed = parseJudgeFile(JSON.parse(await text(runUris.judgeFile('test', 0))), 'judge.json');
    assert.deepEqual([seed.iteration, seed.figures.length], [0, 1]);
    await asActivity(() => exportOutputs(testRun.deps, input));
    assert.equal(await text('test/outputs/model/judge.json'), exported);
    assert.match(
      await card(),
      /hf download someone\/judge --local-dir judge\n.*self-taught-evaluator judge pairs\.jsonl --model judge/,
    );
  });

  it('have a judge.json from the end of the training, which does not replace one with figures', async () => {
    const { deps, run } = testRun;
    const resolved = await openRun(deps.store, run);
    for (const iteration of [1, 3]) await writeInitialJudgeFile(deps, iteration, resolved);
    const figures = async (iteration: number) => {
      const text = await readFile(path(runUris.judgeFile('test', iteration)), 'utf8');
      return parseJudgeFile(JSON.parse(text), 'judge.json').figures.length;
    };
    assert.deepEqual([await figures(1), await figures(3)], [1, 0]);
  });

  it('contain no path of this machine, and show foreign content as text', async () => {
    const text = await card();
    const judge = await readFile(join(path(runUris.modelFolder('test')), 'judge.json'), 'utf8');
    assert(![text, judge].some((each) => each.includes('/home/me') || each.includes(testRun.folder)));
    assert(text.includes('a \\| b is &lt;both>'), text);
    assert(text.includes('pool.jsonl'));
  });

  it('are exported once, and again if they are damaged', async () => {
    const parquet = join(path(runUris.exportedSet('test', 1)), 'train.parquet');
    const { ino } = await stat(parquet);
    await asActivity(() => exportOutputs(testRun.deps, input));
    assert.equal((await stat(parquet)).ino, ino);
    const whole = await readFile(parquet);
    await appendFile(parquet, 'x');
    await asActivity(() => exportOutputs(testRun.deps, input));
    assert.deepEqual(await readFile(parquet), whole);
  });

  it('contain no model if no judge is better than the seed model', async () => {
    await asActivity(() => exportOutputs(testRun.deps, { ...input, best: 0 }));
    assert.deepEqual(await readdir(path('test/outputs')), ['datasets']);
    await asActivity(() => exportOutputs(testRun.deps, input));
  });

  it('can be exported while the run continues and rewrites its report', async () => {
    const { deps, run, folder } = testRun;
    const going = {
      ...{ runName: 'test', kind: 'run' as const, owner: undefined, state: undefined, result: undefined },
      ...{
        resolved: await openRun(deps.store, run),
        endStatus: undefined,
        judges: input.iterations,
        best: 1,
      },
    };
    const written = [path(runUris.report('test')), path(runUris.judgeFile('test', 1))];
    const judge = await readFile(path(runUris.judgeFile('test', 1)), 'utf8');
    await writeFile(path(runUris.report('test')), 'after 2 iterations');
    const plan = await exportPlan(deps.store, deps.files, going, undefined);
    for (const file of written) await writeFile(file, 'after 3 iterations');
    const out = join(folder, 'exported');
    await writeExport(deps.store, plan, out, new AbortController().signal);
    assert.equal(await readFile(join(out, 'report.html'), 'utf8'), 'after 2 iterations');
    assert.equal(await readFile(join(out, 'model', 'judge.json'), 'utf8'), judge);

    const whole = await readdir(out, { recursive: true });
    for (const left of [
      `export.json.tmp-${randomUUID()}`,
      `report.html.partial-${randomUUID()}.tmp-${randomUUID()}`,
      `model/config.json.partial-${randomUUID()}`,
    ])
      await writeFile(join(out, left), '');
    await writeExport(deps.store, plan, out, new AbortController().signal);
    assert.deepEqual((await readdir(out, { recursive: true })).sort(), whole.sort(), 'what a kill has left');

    await asActivity(() => exportOutputs(deps, input));
    const judges = [...input.iterations, await summary(3, 0.7)];
    const unmade = (ended: 'failed' | undefined) =>
      exportPlan(deps.store, deps.files, { ...going, judges, endStatus: ended }, undefined);
    await assert.rejects(unmade(undefined), /iteration-3 is missing.* writing it now: try again/);
    await assert.rejects(unmade('failed'), /iteration-3 is missing.*\. Start the run again/);
  });

  it('are pushed unchanged, once', async () => {
    const hub = await startPushableHub({ token });
    try {
      const deps = { ...testRun.deps, environment: { HF_ENDPOINT: hub.url, HF_TOKEN: token } };
      const push = () => asActivity(() => pushOutputs(deps, { run: input.run, best: 1, iterations: 2 }));
      const pushed = await push();
      assert.deepEqual(
        pushed.map(({ type, name, revision }) => [type, name, revision]),
        [
          ['dataset', 'someone/judgments', 'main'],
          ['model', 'someone/judge', 'main'],
        ],
      );
      const model = hub.files('model', 'someone/judge') ?? {};
      const folder = path(runUris.modelFolder('test'));
      assert.deepEqual(Object.keys(model).sort(), (await readdir(folder)).sort());
      for (const [name, bytes] of Object.entries(model))
        assert(bytes.equals(await readFile(join(folder, name))), name);
      const data = hub.files('dataset', 'someone/judgments') ?? {};
      const names = ['README.md', 'iteration-1/train.parquet', 'iteration-2/train.parquet'];
      assert.deepEqual(Object.keys(data).sort(), names);
      for (const [name, bytes] of Object.entries(data))
        assert(bytes.equals(await readFile(join(path(runUris.datasetFolder('test')), name))), name);
      assert(!Object.values({ ...model, ...data }).some((bytes) => bytes.includes(token)));
      assert.deepEqual(hub.commits('model', 'someone/judge'), ['test: M_1']);
      assert.deepEqual(await push(), pushed);
      assert.equal(hub.commits('model', 'someone/judge').length, 1);
    } finally {
      await hub.close();
    }
  });

  it('of a store without files are made, exported and pushed the same, and no local copy is left', async () => {
    const { deps: local, run, folder } = testRun;
    const store = openStore(`memory:${randomUUID()}`);
    for (const { key } of await local.store.objects.list(''))
      if (!key.startsWith(runUris.modelFolder('test')))
        await store.objects.put(key, (await local.store.objects.get(key))?.content ?? '');
    const { given, kept } = watchLocalFolders(store);
    const hub = await startPushableHub({ token });
    try {
      const deps = { ...local, store, environment: { HF_ENDPOINT: hub.url, HF_TOKEN: token } };
      await asActivity(() => exportOutputs(deps, input));
      const names = (await store.objects.list(runUris.modelFolder('test'))).map(({ key }) => key);
      assert.deepEqual(
        names.map((key) => key.split('/').at(-1)),
        (await readdir(path(runUris.modelFolder('test')))).sort(),
      );
      const stored = {
        ...{ runName: 'test', kind: 'run' as const, owner: undefined, state: undefined, result: undefined },
        ...{ resolved: await openRun(store, run), endStatus: undefined, judges: input.iterations, best: 1 },
      };
      const plan = await exportPlan(store, deps.files, stored, undefined);
      const out = join(folder, 'exported from memory');
      const { copied } = await writeExport(store, plan, out, new AbortController().signal);
      assert.equal(copied, plan.files.length);
      const target = { url: hub.url, token, name: 'someone/both', revision: 'main', private: true };
      const scratch = join(folder, 'scratch of the push');
      await pushExport(store, plan, target, scratch, new AbortController().signal);
      await asActivity(() => pushOutputs(deps, { run: input.run, best: 1, iterations: 2 }));
      const weights = await readFile(path(`${runUris.training('test', 1)}/model/model.safetensors`));
      for (const repository of ['someone/both', 'someone/judge'])
        assert(hub.files('model', repository)?.['model.safetensors']?.equals(weights), repository);
      assert(given.length > 0);
      assert.deepEqual([...kept], []);
    } finally {
      await hub.close();
    }
  });

  it('are neither exported nor pushed if a file of the model or a training set is damaged, and the file is named', async () => {
    const hub = await startPushableHub({ token });
    const { store } = testRun.deps;
    const deps = { ...testRun.deps, environment: { HF_ENDPOINT: hub.url, HF_TOKEN: token } };
    const push = () => asActivity(() => pushOutputs(deps, { run: input.run, best: 1, iterations: 2 }));
    try {
      const weights = path(`${runUris.training('test', 1)}/model/model.safetensors`);
      await flipByte(weights);
      const damage =
        /training\/model\/model\.safetensors does not have the sha256 of result\.json: the model is damaged and was not/;
      await assert.rejects(
        asActivity(() => exportOutputs(deps, input)),
        { name: 'ArtifactDamaged', message: damage },
      );
      await assert.rejects(push(), { name: 'ArtifactDamaged', message: damage });
      await assert.rejects(push(), /was not pushed\. Start the run again under its name/);
      await flipByte(weights);
      assert.deepEqual(hub.commits('model', 'someone/judge'), []);
      const parquet = path(await store.verifyFile(runUris.exportedSet('test', 2), 'train.parquet'));
      await flipByte(parquet);
      const message =
        /train\.parquet has sha256 .* training set is damaged and was not pushed\. Start the run again/;
      await assert.rejects(push(), { name: 'ArtifactDamaged', message });
      await flipByte(parquet);
      assert.equal((await push()).length, 2);
    } finally {
      await hub.close();
    }
  });
});
