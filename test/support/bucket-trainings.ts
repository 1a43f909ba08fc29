/** Trainings whose folders are in a bucket of a real S3 server, and trainers as on machines of their own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  allProgress,
  resultSchema,
  type TrainingJob,
  type TrainingProgress,
  type TrainingResult,
} from '../../src/models/training/job.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { openObjectStore } from '../../src/store/drivers.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { findVersitygw, startS3Server, type S3Server } from './s3-server.ts';
import { sftJob, writeSftInputs } from './sft-job.ts';
import { restoreEnvironment } from './restore-environment.ts';

const python = process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3';
const pausingTrainer = join(import.meta.dirname, '../models/training/bucket_trainer.py');
const WITHOUT_S3 = `
import runpy, sys
sys.modules["boto3"] = sys.modules["botocore"] = None
runpy.run_module("trainer", run_name="__main__", alter_sys=True)
`;
export const TRAININGS = 's3://trainings';
/** 40 steps, with a checkpoint after every fifth. */
const HYPERPARAMETERS = {
  ...{ epochs: 5, perDeviceBatchSize: 4, gradientAccumulationSteps: 1, learningRate: 1e-3 },
  ...{ warmupSteps: 0, maxLength: 32, precision: 'float32', saveSteps: 5 },
};

export interface TrainerOptions {
  /** The machine's name; each machine has its own disk. */
  readonly host?: string;
  readonly token?: string;
  /** The pause after each step. */
  readonly seconds?: number;
  /** The step after which it waits until it is released; it has reported the one before. */
  readonly holdAfter?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Trainer {
  readonly child: ChildProcess;
  readonly token: string;
  readonly ended: Promise<{ code: number | null; output: string }>;
}

/** A trainer that may be held. */
export interface HeldTrainer extends Trainer {
  release(): Promise<void>;
}

export class BucketTrainings {
  readonly server: S3Server;
  /** Has `base/` and `sft.jsonl`, which are also in the bucket, and the disks of machines. */
  readonly folder: string;
  readonly #trainers: Trainer[] = [];
  readonly #environment = { ...process.env };

  private constructor(server: S3Server, folder: string) {
    this.server = server;
    this.folder = folder;
  }

  /** Undefined if there is no S3 server on this machine. */
  static async open(): Promise<BucketTrainings | undefined> {
    const program = await findVersitygw();
    if (program === undefined) return undefined;
    const server = await startS3Server(program);
    const folder = await mkdtemp(join(tmpdir(), 'bucket-'));
    const trainings = new BucketTrainings(server, folder);
    Object.assign(process.env, server.environment);
    await server.createBucket('trainings');
    await writeSftInputs(python, folder);
    const inputs = openObjectStore(`${TRAININGS}/inputs`);
    await inputs.put('sft.jsonl', await readFile(join(folder, 'sft.jsonl')));
    for (const name of await readdir(join(folder, 'base')))
      await inputs.put(`base/${name}`, await readFile(join(folder, 'base', name)));
    return trainings;
  }

  async close(): Promise<void> {
    for (const { child } of this.#trainers) child.kill('SIGKILL');
    // One that is still ending may write where all is removed next.
    await Promise.all(this.#trainers.map(({ ended }) => ended));
    await this.server.close();
    await rm(this.folder, { recursive: true, force: true });
    restoreEnvironment(this.#environment);
  }

  /** The job of a training in the bucket, whose inputs are there too. */
  job(name: string, changes: Partial<TrainingJob> = {}): TrainingJob {
    return {
      ...sftJob(this.folder, name, HYPERPARAMETERS),
      baseCheckpoint: `${TRAININGS}/inputs/base`,
      data: `${TRAININGS}/inputs/sft.jsonl`,
      outputFolder: `${TRAININGS}/${name}`,
      ...changes,
    } as TrainingJob;
  }

  objects(name: string): ObjectStore {
    return openObjectStore(`${TRAININGS}/${name}`);
  }

  /** Starts a trainer. */
  async start(job: TrainingJob, options: TrainerOptions = {}): Promise<HeldTrainer> {
    const { host = 'machine', token = randomUUID(), seconds = 0, holdAfter, environment = {} } = options;
    const releaseFile = join(this.folder, `released-${token}`);
    const pause = holdAfter === undefined ? String(seconds) : `${holdAfter}:${releaseFile}`;
    const start = `${job.outputFolder}/starts/${token}`;
    await openObjectStore(start).put('job.json', JSON.stringify({ ...job, token }));
    const trainer = this.run([pausingTrainer, host, pause, '--job', `${start}/job.json`], {
      ...options,
      token,
      environment: { SELF_TAUGHT_EVALUATOR_CACHE: this.disk(host), ...environment },
    });
    return { ...trainer, release: () => writeFile(releaseFile, '') };
  }

  /** Runs Python with the trainer's modules. */
  run(command: readonly string[], { token = '', environment = {} }: TrainerOptions = {}): Trainer {
    const child = spawn(python, command, {
      cwd: packageRoot,
      env: {
        ...process.env,
        ...{ OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1', PYTHONPATH: packageRoot },
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output }));
    const trainer = { child, token, ended };
    this.#trainers.push(trainer);
    return trainer;
  }

  /** The folder on which a machine keeps what its trainers copy. */
  disk(host: string): string {
    return join(this.folder, 'machines', host);
  }

  async progress(name: string): Promise<TrainingProgress[]> {
    const found = await this.objects(name).get('progress.jsonl');
    return allProgress(found?.content.toString() ?? '');
  }

  /** Waits until a training has reported a step, in the bucket. */
  async untilStep(name: string, step: number, trainer: Trainer): Promise<void> {
    let hasEnded = false;
    void trainer.ended.then(() => (hasEnded = true));
    for (;;) {
      // It may report the step and end while the progress is read.
      const wasOver = hasEnded;
      if (((await this.progress(name)).at(-1)?.step ?? 0) >= step) return;
      if (wasOver) throw new Error(`it ended before step ${step}: ${(await trainer.ended).output}`);
      await sleep(50);
    }
  }

  async result(name: string): Promise<TrainingResult> {
    const found = await this.objects(name).get('result.json');
    return resultSchema.parse(JSON.parse(found?.content.toString() ?? 'null'));
  }

  async exit(name: string, token: string): Promise<{ exitCode: number; message: string }> {
    const found = await this.objects(name).get(`starts/${token}/exit.json`);
    return JSON.parse(found?.content.toString() ?? 'null') as { exitCode: number; message: string };
  }

  async log(name: string): Promise<string> {
    return (await this.objects(name).get('trainer.log'))?.content.toString() ?? '';
  }

  /** The steps of the complete checkpoints in the bucket. */
  async checkpoints(name: string): Promise<number[]> {
    const keys = (await this.objects(name).list('checkpoints')).map(({ key }) => key);
    const steps = keys.map((key) => /^checkpoints\/checkpoint-(\d+)\/complete\.json$/.exec(key)?.[1]);
    return steps
      .filter((step) => step !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Lets the lease of a start count as expired: followers have seen no renewal for almost its time. */
  async recordSilence(name: string, token: string): Promise<void> {
    const objects = this.objects(name);
    const lease = JSON.parse((await objects.get('lease.json'))?.content.toString() ?? '{}') as {
      renewedAt: string;
    };
    const silence = { sign: lease.renewedAt, seconds: 29 };
    await objects.put(`starts/${token}/silence.json`, JSON.stringify(silence));
  }

  async copy(from: string, to: string): Promise<void> {
    for (const { key } of await this.objects(from).list(''))
      await this.objects(to).put(key, (await this.objects(from).get(key))?.content ?? '');
  }

  /** Trains in a folder of this machine, without a library for S3; returns the weights' digest. */
  async trainInFolder(changes: Partial<TrainingJob> = {}): Promise<string> {
    const name = `folder-${randomUUID()}`;
    const output = join(this.folder, name);
    const job = { ...sftJob(this.folder, name, HYPERPARAMETERS), ...changes, outputFolder: output };
    const file = join(this.folder, `${name}.json`);
    await writeFile(file, JSON.stringify({ ...job, token: 'folder' }));
    const { code, output: text } = await this.run(['-c', WITHOUT_S3, '--job', file]).ended;
    if (code !== 0) throw new Error(text);
    const result = JSON.parse(await readFile(join(output, 'result.json'), 'utf8')) as TrainingResult;
    return result.model.sha256;
  }
}
