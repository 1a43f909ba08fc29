/** Run by small-disk.test.ts with a file system of 1 MiB mounted on the folder that is named; prints what happened. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { claim } from '../../src/artifacts/claim.ts';
import { resumeShard, type ShardWork, type WorkRecord } from '../../src/artifacts/resume-shard.ts';
import { readSegments } from '../../src/artifacts/segments.ts';
import { ArtifactStore, writeFileAtomically } from '../../src/artifacts/store.ts';

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
}

const [, , disk = ''] = process.argv;
const store = new ArtifactStore(join(disk, 'store'));
const uri = 'run/judgments/shard-00000';
const units = Array.from({ length: 60 }, (_, index) => ({ id: `unit-${String(index).padStart(3, '0')}` }));
let asked = 0;

function work(): ShardWork<{ id: string }, WorkRecord & { text: string }, { text: string }> {
  return {
    uri,
    fingerprint: { schema: 1 },
    units,
    work: async ({ id }, existing, emit) => {
      if (existing.length > 0) return;
      asked += 1;
      emit({ id, unit: id, text: id.repeat(600) });
      // The writer puts what it has on the disk four times a second.
      await new Promise((resolve) => setTimeout(resolve, 60));
    },
    assemble: (_unit, records) => records.map(({ id, text }) => ({ id, text })),
    count: (results) => ({ results: results.length }),
    concurrency: 1,
    maximumSetAsideShare: 0,
    signal: new AbortController().signal,
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

const filler = join(disk, 'filler');
await writeFile(filler, Buffer.alloc(900_000));
const full = await refusalOf(resumeShard(store, work()));
const keptWhenFull = (await readSegments(`${store.path(uri)}.work`)).length;
// An artifact that doesn't fit leaves no draft either.
await refusalOf(store.publish('run/big', { fingerprint: {}, records: ['x'.repeat(1_000_000)] }));
const torn = (await readdir(disk, { recursive: true })).filter((name) => name.includes('draft-'));

await rm(filler);
asked = 0;
const manifest = await resumeShard(store, work());
const records = (await store.records(manifest)).length;
const askedAfterwards = asked;
const again = await resumeShard(store, work());

const folder = join(disk, 'read-only');
await mkdir(folder);
execFileSync('mount', ['--bind', folder, folder]);
execFileSync('mount', ['-o', 'remount,bind,ro', folder]);
const locked = new ArtifactStore(folder);
const trial: DiskTrial = {
  units: units.length,
  full,
  keptWhenFull,
  askedAfterwards,
  records,
  publishedTwice: again.sha256 === manifest.sha256,
  torn,
  readOnly: [
    await refusalOf(locked.publish('run/pairs', { fingerprint: {}, records: [] })),
    await refusalOf(claim(join(folder, 'owner'), 0, {})),
    await refusalOf(writeFileAtomically(join(folder, 'result.json'), '{}')),
  ],
};
console.log(JSON.stringify(trial));
