/**
 * How much memory the instruction pool takes as it grows: made-up pools of several sizes, each read, filtered, sorted,
 * published and selected from in a process of its own, whose peak resident memory is what is printed.
 *
 *     npm run bench:pool -- [--rows 10000,100000,1000000] [--layout plain|wildchat] [--near-duplicates] [--json]
 *
 * V8 lets garbage lie while there is room: what a process takes by default grows with how long it works, not with what
 * it holds. So each pool is read in a heap of at most 64 MB, whose young generation has a fixed size; the texts of
 * a million rows alone are 470 MB.
 *
 * Prints for each size the peak, the seconds, and the ratio of its peak to the smallest pool's. With
 * `--near-duplicates` the signatures come on top, less than 0.5 kB for each instruction.
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
import { recordsBehind, publishIndex, publishInShards } from '../src/artifacts/shards.ts';
import { ArtifactStore, referenceTo } from '../src/artifacts/store.ts';
import { hashOf } from '../src/judge/seeds.ts';
import { collectInstructions } from '../src/pools/collect-instructions.ts';
import { BenchmarkOverlaps } from '../src/pools/decontamination.ts';
import type { LayoutName } from '../src/pools/layout-names.ts';
import { rowFilter } from '../src/pools/row-filters.ts';

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
  /** Of the process, with Node itself. */
  readonly peakMegabytes: number;
  readonly seconds: number;
}

/** Signatures of near duplicates are no part of V8's heap. */
const HEAP = ['--max-old-space-size=64', '--max-semi-space-size=4'];

const WORDS = Array.from({ length: 5000 }, (_, word) => `w${hashOf(word).slice(0, 5)}`);

/** About 60 words that follow from a number; one row of 20 repeats an earlier one. */
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

/** Does what `preparePool` and a selection do, without Temporal. */
async function readPool(file: string): Promise<void> {
  const began = performance.now();
  const folder = `${file}.store`;
  const store = new ArtifactStore(folder);
  const overlaps = new BenchmarkOverlaps({ words: 13, fewestWords: 8 });
  for (let row = 0; row < 3000; row += 1) overlaps.add('benchmark', String(row), instruction(row * 7));
  const bounds = { minimum: null, maximum: null };
  const pool = await collectInstructions({
    files: [{ name: file, path: file }],
    layout: options.layout as LayoutName,
    filter: rowFilter(
      {
        languages: options.layout === 'wildchat' ? ['en'] : null,
        languageFrom: 'field',
        toxic: 'drop',
        redacted: 'keep',
        characters: { minimum: null, maximum: 4000 },
        turns: bounds,
      },
      undefined,
    ),
    overlaps,
    nearDuplicates: options['near-duplicates'] ? { threshold: 0.8, ngram: 3 } : null,
    seed: 1,
    scratch: join(folder, 'scratch'),
    signal: new AbortController().signal,
    onProgress: () => undefined,
    checkFailed: () => undefined,
  });
  const shards = await publishInShards(store, 'pool', pool.kept(), 200, { pool: file });
  const index = await publishIndex(store, 'pool', shards, { files: { 'set-aside.jsonl': pool.leftOut() } });
  let instructions = 0;
  for await (const _one of recordsBehind(store, referenceTo(index))) instructions += 1;
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
