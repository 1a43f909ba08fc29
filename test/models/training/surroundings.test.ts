/** What a training is made of: its job, not the variables, the user or the home of whoever starts it. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { chmod, cp, mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Adapter } from '../../../src/models/training/adapter.ts';
import type { TrainingJob } from '../../../src/models/training/job.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { trainerEnvironment } from '../../../src/models/training/launchers/trainer-command.ts';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { sftJob, writeSftInputs } from '../../support/sft-job.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const environment = { ...process.env, OMP_NUM_THREADS: '1', PYTHONPATH: packageRoot };

/** Variables that accelerate, torch or FSDP read in place of what the job says. */
const MISLEADING = {
  ACCELERATE_MIXED_PRECISION: 'bf16',
  ACCELERATE_GRADIENT_ACCUMULATION_STEPS: '4',
  ACCELERATE_DYNAMO_BACKEND: 'EAGER',
  ACCELERATE_USE_FSDP: 'true',
  ACCELERATE_USE_DEEPSPEED: 'true',
  FSDP_VERSION: '2',
  FSDP_OFFLOAD_PARAMS: 'true',
  PARALLELISM_CONFIG_TP_SIZE: '2',
  OMPI_COMM_WORLD_SIZE: '4',
  PMI_SIZE: '4',
  LOCAL_RANK: '0',
  ONEDNN_DEFAULT_FPMATH_MODE: 'BF16',
  TORCH_ALLOW_TF32_CUBLAS_OVERRIDE: '1',
};

describe('a training in odd surroundings', function () {
  this.timeout(900_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'surroundings-'));
    await writeSftInputs(python, folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function jobIn(name: string, changes: Partial<Extract<TrainingJob, { method: 'sft' }>> = {}) {
    const hyperparameters = {
      ...{ maxSteps: 3, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, learningRate: 1e-3 },
      ...{ warmupSteps: 0, maxLength: 32, precision: 'float32' },
    };
    return sftJob(folder, name, hyperparameters, { threads: 1, ...changes });
  }

  /** Runs the trainer itself, without a launcher; returns what it reports and the hash of its weights. */
  async function train(job: TrainingJob, program: readonly string[], env: NodeJS.ProcessEnv) {
    const start = join(folder, `start-of-${job.name}`);
    await mkdir(start);
    await writeFile(join(start, 'job.json'), JSON.stringify({ ...job, token: 'token' }));
    const [command, ...options] = [...program, python, '-m', 'trainer', '--job', join(start, 'job.json')];
    await promisify(execFile)(command, options, { env, cwd: packageRoot }).catch(() => undefined);
    const exit = JSON.parse(await readFile(join(start, 'exit.json'), 'utf8')) as object;
    const result = await readFile(join(job.outputFolder, 'result.json'), 'utf8').catch(() => '{}');
    const { model } = JSON.parse(result) as { model?: { sha256: string } };
    return { ...exit, sha256: model?.sha256 };
  }

  it('has the same weights, whatever the variables that libraries read', async () => {
    const [plain, misled] = await Promise.all([
      train(jobIn('plain'), [], environment),
      train(jobIn('misled'), [], { ...environment, ...MISLEADING }),
    ]);
    assert.match(plain.sha256 ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual(misled, plain);
  });

  it('gets no variable of accelerate or FSDP from a worker', () => {
    const kept = { OMP_NUM_THREADS: '3', HF_HOME: '/models' };
    const passed = trainerEnvironment({
      packageRoot: '/app',
      environment: { ...kept, ACCELERATE_MIXED_PRECISION: 'bf16', FSDP_VERSION: '2', LOCAL_RANK: '0' },
    });
    assert.deepEqual(passed, { ...kept, PYTHONPATH: '/app' });
  });

  it('works under a user that the system does not know, without a home', async function () {
    const unknown = [
      'unshare',
      '--user',
      '--map-user=54321',
      'env',
      '-u',
      'HOME',
      '-u',
      'USER',
      '-u',
      'LOGNAME',
    ];
    const [program = '', ...options] = unknown;
    const tried = spawnSync(program, [...options, 'id', '-u'], { encoding: 'utf8' });
    if (tried.stdout?.trim() !== '54321') {
      console.warn(`      skipped: no other user can be tried here (${tried.stderr ?? tried.error})`);
      this.skip();
    }
    const trained = await train(jobIn('unknown-user'), unknown, { ...environment, TMPDIR: folder });
    assert.deepEqual({ ...trained, sha256: '' }, { exitCode: 0, message: 'done', sha256: '' });
    const asked =
      'import getpass, os; from trainer.environment import know_user; know_user(); print(getpass.getuser(), os.path.expanduser("~"))';
    const said = () =>
      execFileSync(program, [...options, python, '-c', asked], {
        env: { ...environment, TMPDIR: folder },
        cwd: packageRoot,
        encoding: 'utf8',
      }).trim();
    const own = join(folder, 'self-taught-evaluator-54321');
    assert.equal(said(), `54321 ${join(own, 'home')}`);
    // Others could put compiled code there, which would be run.
    await chmod(own, 0o777);
    assert.match(said(), /^54321 .*\/self-taught-evaluator-\w{8}\/home$/);
  });
});

describe('a base checkpoint', function () {
  this.timeout(900_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'base-checkpoint-'));
    await writeSftInputs(python, folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const check = async (baseCheckpoint: string, adapter: Adapter = { kind: 'none' }) => {
    const { problems } = await processLauncher.check({
      settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
      machine: { python, packageRoot, environment },
      ...{ baseCheckpoint, trustRemoteCode: false, reportTo: [] },
      run: { conversations: [], adapter },
    });
    return problems;
  };

  async function withTokens(name: string, change: string): Promise<string> {
    const copy = join(folder, name);
    await cp(join(folder, 'base'), copy, { recursive: true });
    const program = `import sys; from transformers import AutoTokenizer; t = AutoTokenizer.from_pretrained(sys.argv[1]); ${change}; t.save_pretrained(sys.argv[1])`;
    execFileSync(python, ['-c', program, copy], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    return copy;
  }

  it('is refused with both sizes if its embedding has no row for a token in use', async () => {
    const padded = await withTokens('padded', "t.add_special_tokens({'pad_token': '[PAD]'})");
    const unused = await withTokens(
      'unused',
      "t.add_special_tokens({'additional_special_tokens': ['<image>']})",
    );
    const [problems, none] = await Promise.all([check(padded), check(unused)]);
    assert.deepEqual(none, [], 'a token that no text has');
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /^base checkpoint .*\/padded: its tokenizer is larger than its embedding \(tokenizer 63, embedding 62\): the token '\[PAD\]' has the id 62/,
    );
  });

  it('whose embedding and output layer are one matrix is refused an adapter on either', async () => {
    const lora = (targetModules: 'all-linear' | string[]): Adapter => ({
      ...{ kind: 'lora', rank: 4, alpha: 8, dropout: 0, saveAdapter: false, targetModules },
    });
    const base = join(folder, 'base');
    const [head, embedding, layers, linear] = await Promise.all(
      [['q_proj', 'lm_head'], ['embed_tokens'], ['q_proj', 'v_proj'], 'all-linear' as const].map((modules) =>
        check(base, lora(modules)),
      ),
    );
    assert.match(
      head?.join() ?? '',
      /^fineTuning\.adapter\.targetModules has lm_head, but model\.embed_tokens and lm_head of this checkpoint share their weights/,
    );
    assert.match(embedding?.join() ?? '', /^fineTuning\.adapter\.targetModules has embed_tokens, but /);
    assert.deepEqual([layers, linear], [[], []]);
  });
});
