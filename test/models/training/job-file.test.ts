import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv, type AnySchemaObject } from 'ajv';
import { trainerJobSchema } from '../../../src/api/trainer-job-schema.ts';
import { REASONING_MARKS } from '../../../src/method/reasoning.ts';
import { adapterSchema } from '../../../src/models/training/adapter.ts';
import { jobFileSchema } from '../../../src/models/training/job.ts';
import { dpo as dpoRecipe } from '../../../src/models/training/recipes/dpo.ts';
import { grpo as grpoRecipe } from '../../../src/models/training/recipes/grpo.ts';
import { sft as sftRecipe } from '../../../src/models/training/recipes/sft.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, PYTHONPATH: packageRoot };

const lora = adapterSchema.parse({ kind: 'lora' });
const sft = {
  schema: 1,
  method: 'sft',
  baseCheckpoint: '/models/base',
  data: '/data/rows.jsonl',
  outputFolder: '/runs/training',
  seed: 7,
  token: 'a-start',
  hyperparameters: sftRecipe.hyperparameters.parse({}),
  adapter: { kind: 'none' },
  threads: null,
  trustRemoteCode: false,
  name: 'run/iteration-1',
  candidateEverySteps: 50,
  reportTo: ['tensorboard'],
};
const dpo = { ...sft, method: 'dpo', hyperparameters: dpoRecipe.hyperparameters.parse({}) };
const grpo = {
  ...sft,
  method: 'grpo',
  hyperparameters: grpoRecipe.hyperparameters.parse({}),
  reasoningMarks: REASONING_MARKS,
};

/** The job with other values of some hyperparameters. */
const trainedWith = (job: typeof sft, changes: object) => ({
  ...job,
  hyperparameters: { ...job.hyperparameters, ...changes },
});

describe('the job file of the trainer', function () {
  this.timeout(180_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'job-file-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** The problems that the trainer finds in each job. */
  async function problemsOf(jobs: readonly object[]): Promise<string[][]> {
    const files = jobs.map((_, index) => join(folder, `job-${index}.json`));
    for (const [index, job] of jobs.entries()) await writeFile(files[index] ?? '', JSON.stringify(job));
    return JSON.parse(await checkJob('problems', ...files)) as string[][];
  }

  const { token: _, ...withoutToken } = sft;
  const { beta: __, ...withoutBeta } = dpo.hyperparameters;
  const badJobs: readonly (readonly [object, string])[] = [
    [{ ...sft, schema: 2 }, 'schema: found 2, allowed: 1'],
    [{ ...sft, method: 'ppo' }, 'method: found "ppo", allowed: "sft" or "dpo" or "grpo"'],
    [withoutToken, 'token: found nothing, allowed: a text with a length of at least 1'],
    [
      { ...sft, data: 'rows.jsonl' },
      'data: found "rows.jsonl", allowed: a text that matches ^([/]|s3:[/][/])',
    ],
    [{ ...sft, seed: 1.5 }, 'seed: found 1.5, allowed: an integer of at least 0 and of at most 4294967295'],
    [{ ...sft, seed: true }, 'seed: found true, allowed: an integer of at least 0 and of at most 4294967295'],
    [{ ...sft, threads: 0 }, 'threads: found 0, allowed: an integer above 0, or null'],
    [{ ...sft, candidateEverySteps: 0 }, 'candidateEverySteps: found 0, allowed: an integer above 0'],
    [{ ...sft, trustRemoteCode: 'yes' }, 'trustRemoteCode: found "yes", allowed: true or false'],
    [
      { ...sft, reportTo: ['wandb', 'clearml'] },
      'reportTo.1: found "clearml", allowed: "tensorboard" or "wandb" or "mlflow"',
    ],
    [{ ...sft, hyperparameters: null }, 'hyperparameters: found null, allowed: an object'],
    [trainedWith(sft, { epochs: 0 }), 'hyperparameters.epochs: found 0, allowed: a number above 0'],
    [
      trainedWith(sft, { precision: 'float16' }),
      'hyperparameters.precision: found "float16", allowed: "float32" or "bfloat16"',
    ],
    [
      trainedWith(sft, { adamBetas: [0.9, 1] }),
      'hyperparameters.adamBetas.1: found 1, allowed: a number of at least 0 and below 1',
    ],
    [
      trainedWith(sft, { adamBetas: [0.9] }),
      'hyperparameters.adamBetas: found [0.9], allowed: a list of a number of at least 0 and below 1, ' +
        'and a number of at least 0 and below 1',
    ],
    [
      { ...dpo, hyperparameters: withoutBeta },
      'hyperparameters.beta: found nothing, allowed: a number above 0',
    ],
    [{ ...sft, adapter: { kind: 'dora' } }, 'adapter.kind: found "dora", allowed: "none" or "lora"'],
    [
      { ...sft, adapter: { ...lora, targetModules: [] } },
      'adapter.targetModules: found [], allowed: "all-linear", or a list with a length of at least 1, each a text with a length of at least 1',
    ],
  ];

  it('is refused with the path of the wrong field, what was found and what is allowed', async () => {
    const found = await problemsOf(badJobs.map(([job]) => job));
    assert.deepEqual(
      found,
      badJobs.map(([, problem]) => [problem]),
    );
  });

  it('is refused if it has an unknown field, or a field that only another method or adapter has', async () => {
    const jobs = [
      { ...sft, retries: 3 },
      trainedWith(sft, { beta: 0.1 }),
      { ...sft, adapter: { kind: 'none', rank: 8 } },
    ];
    const found = (await problemsOf(jobs)).flat();
    assert.equal(found.length, 3);
    assert.match(found[0] ?? '', /^retries: unknown field, allowed: schema, .*token/);
    assert.match(found[1] ?? '', /^hyperparameters\.beta: unknown field, allowed: epochs, /);
    assert.equal(found[2], 'adapter.rank: unknown field, allowed: kind');
  });

  it('is accepted by the trainer with each method and adapter, and by the schema that it was generated from', async () => {
    const jobs = [
      sft,
      dpo,
      { ...sft, adapter: lora },
      { ...dpo, adapter: { ...lora, targetModules: ['q'] } },
      grpo,
      { ...sft, baseCheckpoint: 's3://b/model', data: 's3://b/rows.jsonl', outputFolder: 's3://b/training' },
    ];
    assert.deepEqual(await problemsOf(jobs), [[], [], [], [], [], []]);
    for (const job of jobs) assert.deepEqual(jobFileSchema.parse(job), job);
  });

  it('is refused by the generated schema exactly when the schema in TypeScript refuses it', () => {
    const validate = new Ajv({ strict: false }).compile(trainerJobSchema() as AnySchemaObject);
    for (const [job, problem] of badJobs) {
      assert.equal(validate(job), false, problem);
      // A hyperparameter with a default may be missing in TypeScript: the job that is written has it.
      if (!problem.startsWith('hyperparameters.beta')) assert(!jobFileSchema.safeParse(job).success, problem);
    }
  });

  it('ends the trainer with exit code 78 and all its problems at once', async () => {
    const file = join(folder, 'bad.json');
    const bad = trainedWith({ ...sft, seed: -1, name: '' }, { epochs: 'two', beta: 1 });
    await writeFile(file, JSON.stringify(bad));
    const failure = await promisify(execFile)(python, ['-m', 'trainer', '--job', file], {
      env: environment,
    }).catch((error: unknown) => error as { code: number; stderr: string });
    assert('code' in failure, 'the trainer accepts the job');
    assert.equal(failure.code, 78);
    assert.match(failure.stderr, /^trainer: \S*bad\.json: /);
    for (const path of ['seed', 'name', 'hyperparameters.epochs', 'hyperparameters.beta'])
      assert(failure.stderr.includes(`${path}: `), `${path} is missing in: ${failure.stderr}`);
    const exit = JSON.parse(await readFile(join(folder, 'exit.json'), 'utf8')) as object;
    assert.deepEqual(exit, { exitCode: 78, message: failure.stderr.trim().replace(/^trainer: /, '') });
  });

  it('has exactly the fields that the code of the trainer reads', async () => {
    const read = JSON.parse(await checkJob('fields')) as Record<string, string[]>;
    // The schema's version is checked, and nothing else follows from it.
    const { schema: ___, ...job } = grpo;
    assert.deepEqual(read, {
      job: Object.keys(job).sort(),
      hyperparameters: [...new Set([dpo, grpo].flatMap((of) => Object.keys(of.hyperparameters)))].sort(),
      adapter: Object.keys(lora).sort(),
    });
  });
});

const checkScript = join(import.meta.dirname, 'check_job.py');

async function checkJob(...command: string[]): Promise<string> {
  return (await promisify(execFile)(python, [checkScript, ...command], { env: environment })).stdout;
}
