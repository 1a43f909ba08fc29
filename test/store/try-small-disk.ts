/** Run by small-disk.test.ts with a file system of 1 MiB mounted on the folder that is named; prints what happened. */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBuckets } from '../../src/datasets/disk-buckets.ts';
import { openServerRegistry, type ServerEntry } from '../../src/models/serving/server-registry.ts';
import { withLock } from '../../src/platform/file-lock.ts';
import { checkStore } from '../../src/store/check-store.ts';
import { tryClaim } from '../../src/store/claims.ts';
import { resumeShard } from '../../src/store/resume-shard.ts';
import type { ResumableShard, ShardRecord } from '../../src/store/shard-types.ts';
import { journalUri, readJournal } from '../../src/store/journal.ts';
import { openStore } from '../../src/store/artifact-store.ts';
import { packageRoot } from '../../src/platform/package-root.ts';
import { writeFileAtomically } from '../../src/platform/atomic-write.ts';

interface Refusal {
  readonly name: string;
  readonly message: string;
}

export interface DiskTrial {
  readonly units: number;
  readonly full: Refusal;
  readonly keptWhenFull: number;
  readonly askedAfterwards: number;
  readonly records: number;
  readonly publishedTwice: boolean;
  readonly torn: readonly string[];
  readonly readOnly: readonly Refusal[];
  /** A worker that was started on the read-only store. */
  readonly worker: { readonly exitCode: number | null; readonly output: string };
  /** By what was written to the full disk. */
  readonly fullForOthers: Readonly<Record<string, Refusal>>;
}

const [, , disk = ''] = process.argv;
const store = openStore(join(disk, 'store'));
const uri = 'run/judgments/shard-00000';
const units = Array.from({ length: 60 }, (_, index) => ({ id: `unit-${String(index).padStart(3, '0')}` }));
let asked = 0;

function work(): ResumableShard<{ id: string }, ShardRecord & { text: string }, { text: string }> {
  return {
    uri,
    fingerprint: { schema: 1 },
    units,
    processUnit: async ({ id }, existing, emit) => {
      if (existing.length > 0) return;
      asked += 1;
      emit({ id, unit: id, text: id.repeat(600) });
      // The writer puts what it has on the disk four times a second.
      await new Promise((resolve) => setTimeout(resolve, 60));
    },
    assembleResults: (_unit, records) => records.map(({ id, text }) => ({ id, text })),
    countResults: (results) => ({ results: results.length }),
    concurrency: 1,
    maxSkippedShare: 0,
    signal: new AbortController().signal,
    finishSeconds: 0,
    onProgress: () => undefined,
  };
}

async function refusalOf(promise: Promise<unknown>): Promise<Refusal> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return { name: error.name, message: error.message };
  }
  return { name: 'none', message: 'it went well' };
}

/** Writes until nothing fits any more. */
async function fillUp(): Promise<void> {
  for (;;)
    try {
      await appendFile(join(disk, 'rest'), Buffer.alloc(1024));
    } catch {
      return;
    }
}

const filler = join(disk, 'filler');
await writeFile(filler, Buffer.alloc(900_000));
const full = await refusalOf(resumeShard(store, work()));
const keptWhenFull = (await readJournal(store.objects, journalUri(uri))).length;
// An artifact that doesn't fit leaves no draft either.
await refusalOf(store.publish('run/big', { fingerprint: {}, records: ['x'.repeat(1_000_000)] }));
const registry = openServerRegistry(join(disk, 'servers'));
const buckets = await DiskBuckets.create(join(disk, 'buckets'));
await mkdir(join(disk, 'locks'));
await fillUp();
const fullForOthers = {
  'the report': await refusalOf(store.writeText('run/report.html', 'x'.repeat(100_000))),
  'an entry of a model server': await refusalOf(
    Promise.try(() =>
      registry.write({ key: 'key', command: ['x'.repeat(100_000)] } as unknown as ServerEntry),
    ),
  ),
  'a lock': await refusalOf(withLock(join(disk, 'locks', 'lock'), () => Promise.resolve())),
  'rows to be sorted': await refusalOf(buckets.append({ id: 'a'.repeat(100_000) })),
  'the trial of a store': await refusalOf(checkStore(() => openStore(join(disk, 'store')).objects)),
};
await rm(join(disk, 'rest'));
const torn = (await readdir(disk, { recursive: true })).filter((name) => name.includes('tmp-'));

await rm(filler);
asked = 0;
const manifest = await resumeShard(store, work());
const records = (await store.readRecords(manifest)).length;
const askedAfterwards = asked;
const again = await resumeShard(store, work());

const folder = join(disk, 'read-only');
await mkdir(folder);
execFileSync('mount', ['--bind', folder, folder]);
execFileSync('mount', ['-o', 'remount,bind,ro', folder]);
const locked = openStore(folder);
const main = join(packageRoot, 'src/cli/main.ts');
const worker = spawnSync(process.execPath, [main, 'worker', '--store', folder], { encoding: 'utf8' });
const trial: DiskTrial = {
  worker: { exitCode: worker.status, output: worker.stdout + worker.stderr },
  units: units.length,
  full,
  keptWhenFull,
  askedAfterwards,
  records,
  publishedTwice: again.sha256 === manifest.sha256,
  torn,
  fullForOthers,
  readOnly: [
    await refusalOf(locked.publish('run/pairs', { fingerprint: {}, records: [] })),
    await refusalOf(tryClaim(locked.objects, 'owner', 0, {})),
    await refusalOf(writeFileAtomically(join(folder, 'result.json'), '{}')),
    await refusalOf(checkStore(() => locked.objects)),
  ],
};
console.log(JSON.stringify(trial));
