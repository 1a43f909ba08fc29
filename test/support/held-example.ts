/** The embedded example, smaller, whose trainings are held in the middle until a test releases them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRun, type ConfigurationInput, type Run } from '../../src/client/index.ts';
import { RESULT_FILE, resultSchema } from '../../src/models/training/job.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { runUris } from '../../src/runs/run-layout.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { readManifest } from '../../src/store/manifest.ts';
import { readPendingActivities } from '../../src/temporal/pending-activities.ts';
import type { Cluster } from './cluster.ts';

/** Each training is held after this step. */
export const HELD_STEP = 5;
const SAVE_STEPS = 2;

/**
 * The command of a launcher whose trainings are held.
 * @param holdFolder where they are held, if their store is no folder
 */
export function heldTrainer(holdFolder?: string, step = HELD_STEP): string[] {
  return [
    ...['{python}', join(packageRoot, 'test/models/training/failing_trainer.py')],
    ...(holdFolder === undefined ? [] : ['--hold-folder', holdFolder]),
    ...['hold', String(step), '--job', '{job}'],
  ];
}

export type Example = Required<ConfigurationInput>;

/** Starts the example with fewer instructions, and checkpoints before {@link HELD_STEP}. */
export async function startExample(
  { client }: Pick<Cluster, 'client'>,
  runName: string,
  iterations: number,
  changed: (example: Example) => object = () => ({}),
): Promise<Run> {
  const file = join(packageRoot, 'temporal/inputs/embedded.json');
  const example = JSON.parse(await readFile(file, 'utf8')) as Example;
  const [round] = example.fineTuning!.rounds!;
  const hyperparameters = { ...round!.hyperparameters, saveSteps: SAVE_STEPS };
  const smaller = {
    ...{ ...example, runName, iterations, timeouts: { heartbeatSeconds: 5 } },
    instructions: { ...example.instructions, categories: null, maxInstructions: 240, shardSize: 30 },
    fineTuning: { ...example.fineTuning, rounds: [{ ...round, hyperparameters }] },
  } as Example;
  return startRun(client, { ...smaller, ...changed(smaller) });
}

/** The trainings of a run of the example. */
export class HeldTrainings {
  readonly #cluster: Pick<Cluster, 'client' | 'storeRoot'>;
  readonly #runName: string;
  readonly #holdFolder: string | undefined;

  /** @param holdFolder that of {@link heldTrainer} */
  constructor(cluster: Pick<Cluster, 'client' | 'storeRoot'>, runName: string, holdFolder?: string) {
    this.#cluster = cluster;
    this.#runName = runName;
    this.#holdFolder = holdFolder;
  }

  /** The folder of a training, or of what holds it. */
  folder(iteration: number): string {
    return this.#holdFolder === undefined
      ? join(this.#cluster.storeRoot, runUris.training(this.#runName, iteration))
      : join(this.#holdFolder, this.#runName, `iteration-${iteration}`);
  }

  /** Waits until so many starts of the training have been held. */
  async held(iteration: number, starts: number): Promise<void> {
    const file = join(this.folder(iteration), 'holds');
    while ((await readFile(file, 'utf8').catch(() => '')).split('\n').length <= starts) await sleep(50);
  }

  async release(iteration: number): Promise<void> {
    await mkdir(this.folder(iteration), { recursive: true });
    await writeFile(join(this.folder(iteration), 'released'), '');
  }

  /** Waits until a second attempt follows the training. */
  async takenOver(): Promise<void> {
    for (;;) {
      const { activities } = await readPendingActivities(this.#cluster.client, this.#runName);
      const isSecond = (each: (typeof activities)[number]) =>
        each.type === 'fineTune' && each.attempt > 1 && each.state === 'started';
      if (activities.some(isSecond)) return;
      await sleep(50);
    }
  }

  /** How often the training of each iteration was started, and where it went on. */
  async starts(iterations = [1, 2]) {
    const store = openStore(this.#cluster.storeRoot);
    return Promise.all(
      iterations.map(async (iteration) => {
        const uri = runUris.training(this.#runName, iteration);
        const starts = (await store.names(`${uri}/starts`)).filter((name) => name.endsWith('.json'));
        const result = await store.readText(`${uri}/${RESULT_FILE}`);
        const { resumedFromSteps } = resultSchema.parse(JSON.parse(result ?? ''));
        return { starts: starts.length, resumedFromSteps };
      }),
    );
  }

  async trainingSet(iteration: number): Promise<string> {
    const { objects } = openStore(this.#cluster.storeRoot);
    const manifest = await readManifest(objects, runUris.trainingSet(this.#runName, iteration));
    return manifest!.sha256;
  }
}
