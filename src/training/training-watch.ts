import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { differingFields } from '../artifacts/errors.ts';
import { fileSha256 } from '../artifacts/file-hashes.ts';
import { isSameProcessAlive, processState, type ProcessIdentity } from '../processes/identity.ts';
import { TrainingFailedPermanently } from './errors.ts';
import {
  PROGRESS_FILE,
  lastProgress,
  leaseSchema,
  type TrainingJob,
  type TrainingLease,
  type TrainingProgress,
  type TrainingResult,
} from './job.ts';
import { readResult, sizeOf } from './model-damage.ts';
import { newestStart, readIfThere, type Start } from './starts.ts';

/** What the files of a job say. Files decide first: a result is done, whatever became of the processes. */
export type TrainingState =
  | { readonly kind: 'done'; readonly result: TrainingResult }
  | { readonly kind: 'training'; readonly lease: TrainingLease; readonly start: Start | undefined }
  | { readonly kind: 'starting'; readonly start: Start }
  /** Nobody is at work. */
  | { readonly kind: 'idle'; readonly start: Start | undefined };

/** Looks at a job's output folder, again and again: some judgments need to have seen it before. */
export class TrainingWatch {
  readonly #job: TrainingJob;
  readonly #leaseMilliseconds: number;
  readonly #firstSeen = new Map<string, number>();

  constructor(job: TrainingJob, leaseSeconds: number) {
    this.#job = job;
    this.#leaseMilliseconds = leaseSeconds * 1000;
  }

  get logFile(): string {
    return join(this.#job.outputFolder, 'trainer.log');
  }

  /** @throws TrainingFailedPermanently where the result in the folder is another job's.
   * @throws ArtifactDamaged where it can't be read. */
  async look(): Promise<TrainingState> {
    const { outputFolder } = this.#job;
    const start = await newestStart(outputFolder);
    const lease = await readIfThere(join(outputFolder, 'lease.json'), leaseSchema);
    const training = lease !== undefined && (await this.#isAlive(lease, `${lease.token} ${lease.renewedAt}`));
    const starting = start !== undefined && (await this.#isStarting(start));
    // Last: a trainer that ended while we looked has written its result before it gave up its lease.
    const result = await readResult(outputFolder);
    if (result !== undefined) {
      await this.#check(result);
      return { kind: 'done', result };
    }
    if (training) return { kind: 'training', lease, start };
    return starting ? { kind: 'starting', start } : { kind: 'idle', start };
  }

  /** Whether the process of the newest start is still there, on this machine. */
  async isProcessThere(): Promise<boolean> {
    const process = (await newestStart(this.#job.outputFolder))?.process;
    return process !== undefined && isSameProcessAlive(process);
  }

  async progress(): Promise<TrainingProgress | undefined> {
    return lastProgress(await tail(join(this.#job.outputFolder, PROGRESS_FILE), 2000));
  }

  async lastLogLines(): Promise<string[]> {
    return (await tail(this.logFile, 4000)).trimEnd().split('\n').slice(-20);
  }

  async #isStarting({ token, starter, process, exit }: Start): Promise<boolean> {
    // One rank has ended; a launcher takes its time to end the others, or starts them all again.
    if (exit !== undefined) return process !== undefined && isSameProcessAlive(process);
    return process === undefined
      ? (await processState(starter)) !== 'dead' && this.#isYoung(`claim ${token}`)
      : this.#isAlive(process, `process ${token}`);
  }

  async #isAlive(identity: ProcessIdentity, sign: string): Promise<boolean> {
    const state = await processState(identity);
    return state === 'elsewhere' ? this.#isYoung(sign) : state === 'alive';
  }

  /**
   * Whether a sign of life is newer than a lease lasts. Its age counts from when we first saw it, by our own clock:
   * clocks of two machines differ, and "I can't see it" is not "it is dead".
   */
  #isYoung(sign: string): boolean {
    const seen = this.#firstSeen.get(sign) ?? performance.now();
    this.#firstSeen.set(sign, seen);
    return performance.now() - seen < this.#leaseMilliseconds;
  }

  async #check(result: TrainingResult): Promise<void> {
    const { method, seed, hyperparameters, adapter, data, outputFolder } = this.#job;
    // None of these changes the weights.
    const { checkpointEverySteps: _, keepCheckpoints: __, ...meaning } = hyperparameters;
    const { keep: ___, ...adapterMeaning } = { keep: false, ...adapter };
    const wanted = {
      method,
      seed,
      hyperparameters: meaning,
      adapter: adapterMeaning,
      data: await fileSha256(data),
    };
    const { base: ____, ...found } = result.identity;
    const differing = differingFields(found, wanted).map(
      ({ field, was, is }) => `${field} was ${was}, now ${is}`,
    );
    if (differing.length === 0) return;
    const what = `${outputFolder} holds the result of another job: ${differing.join('; ')}`;
    throw new TrainingFailedPermanently({ what, logFile: this.logFile });
  }
}

/** The last `length` bytes of a file as text; empty where there is no such file. */
async function tail(file: string, length: number): Promise<string> {
  if ((await sizeOf(file)) === undefined) return '';
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - length);
    const buffer = Buffer.alloc(size - start);
    await handle.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8');
  } finally {
    await handle.close();
  }
}
