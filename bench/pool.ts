/**
 * Measures the memory for instruction pools of several sizes: each generated pool is read, filtered, sorted, published and
 * selected from in a separate process, whose peak resident memory is printed.
 *
 *     npm run bench:pool -- [--rows 10000,100000,1000000] [--layout plain|wildchat] [--near-duplicates] [--json]
 *
 * By default V8 collects garbage late, so a process's memory depends on how long it runs. Each pool is therefore read with a heap
 * of at most 64 MB and a young generation of fixed size; the texts of a million rows alone take 470 MB.
 *
 * Prints for each size the peak, the seconds, and the ratio of its peak to the smallest pool's. With
 * `--near-duplicates` the signatures take additional memory, less than 0.5 kB per instruction.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { readShardedRecords, publishShardIndex, publishShards } from '../src/store/shards.ts';
import { openStore } from '../src/store/artifact-store.ts';
import { toReference } from '../src/store/artifact.ts';
import { stableHash } from '../src/platform/stable-hash.ts';
import { collectInstructions } from '../src/datasets/collect-instructions.ts';
import { BenchmarkOverlaps } from '../src/datasets/decontamination.ts';
import type { InstructionFormatName } from '../src/datasets/instruction-formats/registry.ts';
import { rowFilter } from '../src/datasets/instruction-filters.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000,100000,1000000' },
    layout: { type: 'string', default: 'plain' },
    'near-duplicates': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** One pool, in this process. */
    pool: { type: 'string' },
  },
});

interface Figures {
  readonly rows: number;
  readonly instructions: number;
  /** The peak memory of the process, including Node itself. */
  readonly peakMegabytes: number;
  readonly seconds: number;
}

/** Signatures of near-duplicates are stored outside V8's heap. */
const HEAP = ['--max-old-space-size=64', '--max-semi-space-size=4'];

const WORDS = Array.from({ length: 5000 }, (_, word) => `w${stableHash(word).slice(0, 5)}`);

/** A text of about 60 words generated from a number; one row in 20 repeats an earlier one. */
function instruction(row: number): string {
  let state = row % 20 === 19 ? row >>> 1 : row;
  const length = 20 + (state % 80);
  const words = Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return WORDS[(state >>> 8) % WORDS.length];
  });
  return `${words.join(' ')}?`;
}

function* lines(rows: number): Generator<string> {
  for (let row = 0; row < rows; row += 1) {
    const text = instruction(row);
    const value =
      options.layout === 'wildchat'
        ? {
            conversation: [
              { role: 'user', content: text },
              { role: 'assistant', content: `${text} ${text}` },
            ],
            turn: 1,
            language: row % 3 === 0 ? 'German' : 'English',
            toxic: false,
          }
        : { instruction: text };
    yield `${JSON.stringify(value)}\n`;
  }
}

/** Does the work of `preparePool` and of a selection without Temporal. */
async function readPool(file: string): Promise<void> {
  const began = performance.now();
  const folder = `${file}.store`;
  const store = openStore(folder);
  const overlaps = new BenchmarkOverlaps({ ngramSize: 13, minWords: 8 });
  for (let row = 0; row < 3000; row += 1) overlaps.add('benchmark', String(row), instruction(row * 7));
  const bounds = { min: null, max: null };
  const pool = await collectInstructions({
    files: [{ name: file, path: file }],
    format: options.layout as InstructionFormatName,
    filter: rowFilter(
      {
        languages: options.layout === 'wildchat' ? ['en'] : null,
        languageSource: 'field',
        toxic: 'drop',
        redacted: 'keep',
        characters: { min: null, max: 4000 },
        turns: bounds,
      },
      undefined,
    ),
    overlaps,
    nearDuplicates: options['near-duplicates'] ? { threshold: 0.8, ngramSize: 3 } : null,
    seed: 1,
    scratch: join(folder, 'scratch'),
    signal: new AbortController().signal,
    onProgress: () => undefined,
    checkFailed: () => undefined,
  });
  const shards = await publishShards(store, 'pool', pool.kept(), 200, { pool: file });
  const index = await publishShardIndex(store, 'pool', shards, {
    files: { 'skipped.jsonl': pool.skipped() },
  });
  let instructions = 0;
  for await (const _one of readShardedRecords(store, toReference(index))) instructions += 1;
  const figures: Figures = {
    rows: pool.rows,
    instructions,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    seconds: (performance.now() - began) / 1000,
  };
  console.log(JSON.stringify(figures));
}

async function compare(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pool-'));
  try {
    const all: Figures[] = [];
    for (const rows of options.rows.split(',').map(Number)) {
      const file = join(folder, `${rows}.jsonl`);
      await pipeline(Readable.from(lines(rows)), createWriteStream(file));
      const own = ['--pool', file, '--layout', options.layout];
      if (options['near-duplicates']) own.push('--near-duplicates');
      const { stdout, status } = spawnSync(
        process.execPath,
        [...HEAP, fileURLToPath(import.meta.url), ...own],
        {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      if (status !== 0) throw new Error(`reading ${rows} rows ended with ${status}`);
      all.push(JSON.parse(stdout) as Figures);
      await rm(file);
      await rm(`${file}.store`, { recursive: true });
    }
    report(all);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function report(all: readonly Figures[]): void {
  const rows = all.map((figures) => ({
    ...figures,
    ratio: figures.peakMegabytes / (all[0]?.peakMegabytes ?? NaN),
  }));
  if (options.json) {
    console.log(JSON.stringify(rows));
    return;
  }
  const printed = new Table({ head: ['rows', 'instructions', 'peak MB', 'ratio', 'seconds', 'rows/s'] });
  for (const { rows: read, instructions, peakMegabytes, ratio, seconds } of rows) {
    printed.push([
      read,
      instructions,
      peakMegabytes.toFixed(0),
      ratio.toFixed(2),
      seconds.toFixed(1),
      (read / seconds).toFixed(0),
    ]);
  }
  console.log(printed.toString());
}

await (options.pool === undefined ? compare() : readPool(options.pool));
