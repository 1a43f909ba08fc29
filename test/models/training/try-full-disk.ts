/**
 * Run by full-disk.test.ts with a small file system mounted on a folder: trains on it while it is full, and after there is room
 * again; prints what happened.
 */
import { open, rm, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../../src/platform/package-root.ts';
import { followTraining } from '../../../src/models/training/follow-training.ts';
import { trainingJobSchema } from '../../../src/models/training/job.ts';
import { processLauncher } from '../../../src/models/training/launchers/process.ts';
import { readFaults } from '../../../src/models/training/trainer-faults.ts';
import { openObjectStore } from '../../../src/store/drivers.ts';

export interface FullDiskTrial {
  /** The errors of attempts in order: `name: message`. */
  readonly withoutRoomForCheckpoint: string;
  readonly withoutAnyRoom: readonly string[];
  readonly faults: number;
  readonly steps: number;
}

const [, , disk = '', job = ''] = process.argv;
const filler = join(disk, 'filler');

/** Fills the disk up to some bytes. */
async function fill(free: number): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(filler, 'a');
    for (;;) {
      const { bavail, bsize } = await statfs(disk);
      const bytes = bavail * bsize - free;
      if (bytes <= 0) return;
      await file.writeFile(Buffer.alloc(Math.min(bytes, 1 << 20)));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file?.close();
  }
}

let isFilledAtStep = false;
/** Ends when the disk is full and nothing more is written to the filler. */
let filled = Promise.resolve();

async function attempt() {
  return followTraining({
    job: trainingJobSchema.parse(JSON.parse(job)),
    launcher: processLauncher,
    settings: { kind: 'process', command: ['{python}', '-m', 'trainer', '--job', '{job}'] },
    machine: {
      python: process.env['SELF_TAUGHT_EVALUATOR_PYTHON'] ?? 'python3',
      packageRoot,
      environment: process.env,
    },
    pollMilliseconds: 20,
    onProgress: ({ progress }) => {
      if (isFilledAtStep && (progress?.step ?? 0) >= 3) filled = filled.then(() => fill(0));
    },
  });
}

const errorOf = () =>
  attempt().then(
    () => 'done',
    (error: Error) => `${error.name}: ${error.message}`,
  );

await fill(120_000);
const withoutRoomForCheckpoint = await errorOf();
await rm(filler);
isFilledAtStep = true;
const withoutAnyRoom = [await errorOf(), await errorOf(), await errorOf(), await errorOf(), await errorOf()];
isFilledAtStep = false;
await filled;
await rm(filler);
const { outputFolder } = JSON.parse(job) as { outputFolder: string };
const faults = (await readFaults(openObjectStore(outputFolder))).length;
const { steps } = await attempt().catch(() => attempt());
const trial: FullDiskTrial = { withoutRoomForCheckpoint, withoutAnyRoom, faults, steps };
console.log(JSON.stringify(trial));
