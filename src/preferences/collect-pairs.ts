import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetAside } from '../artifacts/resume-shard.ts';
import type { DataFile } from '../config/input-files.ts';
import { textsAsked } from '../judge/conversation.ts';
import type { ResponsePair } from '../judge/examples.ts';
import { pairProblem } from '../judge/pair-problem.ts';
import { breathe, ROWS_AT_ONCE, type Watched } from '../pools/breathe.ts';
import type { BenchmarkOverlaps } from '../pools/decontamination.ts';
import {
  Buckets,
  BUCKETS,
  idOf,
  recordIn,
  SetAsideLog,
  type Line,
  type ReasonCount,
} from '../pools/scratch.ts';
import { selectBySeed } from '../pools/select-by-seed.ts';
import { readPreferences, type Preference, type RowOrigin, type WantedLayout } from './read-preferences.ts';

export interface CollectPairsOptions extends Watched {
  readonly files: readonly DataFile[];
  readonly layout: WantedLayout;
  /** Where the configuration names the layout, for messages. */
  readonly layoutField: string;
  /** Null: the pairs are not compared with the benchmarks. */
  readonly overlaps: BenchmarkOverlaps | null;
  /** At most so many, chosen by the seed; null: all. */
  readonly maximum: number | null;
  readonly seed: number;
  /** A folder of its own for what memory doesn't hold: about the size of the files' texts. */
  readonly scratch: string;
  /** Called when all rows were read; throws where too many of them were damaged. */
  readonly checkFailed: (failed: number, rows: number, reasons: readonly ReasonCount[]) => void;
}

/** Pairs whose better side their files name: what stays and what doesn't, both streamed from the scratch folder. */
export interface CollectedPairs {
  /** Preferences that were read, or could not be. */
  readonly rows: number;
  readonly pairs: number;
  /** Usable ones beyond `maximum`. */
  readonly notSelected: number;
  readonly reasons: readonly ReasonCount[];
  readonly setAside: number;
  /** Sorted by id. */
  kept(): AsyncGenerator<GivenPair>;
  leftOut(): AsyncGenerator<SetAside>;
}

/** A pair whose better side was given, not constructed. */
export type GivenPair = Omit<ResponsePair, 'source'>;

type Entry = GivenPair & { readonly at: RowOrigin };

/**
 * Reads pairs of any number: each is looked at by itself, then they are sorted by id in buckets on disk. Equal ones stay
 * once; where one file or row says the opposite of another, neither is known to be right and all of them go. Memory
 * holds one row group or line and one bucket (a 256th of all), but never all texts. The outcome follows from the rows
 * and the options, whatever their order.
 */
export async function collectPairs(options: CollectPairsOptions): Promise<CollectedPairs> {
  const { scratch, maximum, seed } = options;
  await mkdir(scratch, { recursive: true });
  const log = new SetAsideLog(join(scratch, 'set-aside.jsonl'));
  const buckets = await Buckets.create(join(scratch, 'buckets'));
  const rows = await readUsable(options, buckets, log);
  options.checkFailed(log.count('failed'), rows, log.reasons);
  await dropRepeated(options, buckets, log);
  const { ids, isSelected } = await selectBySeed(buckets.records<Entry>(), maximum, seed);
  const pairs = Math.min(ids, maximum ?? ids);
  return {
    rows,
    pairs,
    notSelected: ids - pairs,
    reasons: log.reasons,
    setAside: log.count(),
    leftOut: () => log.entries(),
    async *kept() {
      for await (const { at: _at, ...pair } of buckets.records<Entry>()) if (isSelected(pair.id)) yield pair;
    },
  };
}

async function readUsable(options: CollectPairsOptions, buckets: Buckets, log: SetAsideLog): Promise<number> {
  const { files, layout, layoutField, overlaps } = options;
  let rows = 0;
  for await (const read of readPreferences(files, layout, `name one of them in ${layoutField}`)) {
    rows += 1;
    if (rows % ROWS_AT_ONCE === 0) await breathe(options, rows);
    const { origin } = read;
    const without = read.kind === 'preference' ? unusable(read.preference, overlaps) : read;
    if (without !== undefined) {
      const { kind, reason, detail } = without;
      await log.add({ id: nameOf(origin), kind, reason, ...(detail === undefined ? {} : { detail }) });
    } else if (read.kind === 'preference') await buckets.append(entryOf(read.preference, origin));
  }
  await buckets.flush();
  return rows;
}

/** Why a preference makes no pair to learn from. */
export function unusable(
  preference: Preference,
  overlaps: BenchmarkOverlaps | null,
): Omit<SetAside, 'id'> | undefined {
  const { instruction, chosen: better, rejected: worse } = preference;
  if (instruction.trim() === '') return { kind: 'dropped', reason: 'empty' };
  const reason = pairProblem({ instruction, better, worse }, 'keep');
  return reason === undefined ? overlaps?.reasonFor(textsAsked(preference)) : { kind: 'dropped', reason };
}

function entryOf({ id, instruction, chosen, rejected, subset }: Preference, at: RowOrigin): Entry {
  const pair = { id, instruction, better: chosen, worse: rejected };
  return { ...pair, ...(subset === undefined ? {} : { subset }), at };
}

/** Sorts every bucket by id. Of one pair that is there several times the first stays, unless they contradict each other. */
async function dropRepeated(options: CollectPairsOptions, buckets: Buckets, log: SetAsideLog): Promise<void> {
  for (const bucket of BUCKETS) {
    await breathe(options);
    const byId = Map.groupBy(await buckets.lines(bucket), idOf);
    const left: Line[] = [];
    for (const id of [...byId.keys()].sort()) {
      const [first, ...others] = byId.get(id) as [Line, ...Line[]];
      if (others.length === 0) left.push(first);
      else if (await isAgreed(first, others, log)) left.push(first);
    }
    await buckets.replace(bucket, left);
  }
}

/** Reports what goes of a pair that is there several times; whether all agree which response is better. */
async function isAgreed(first: Line, others: readonly Line[], log: SetAsideLog): Promise<boolean> {
  const one = recordIn<Entry>(first);
  const entries = others.map((line) => recordIn<Entry>(line));
  const opposite = entries.find(({ better }) => better !== one.better);
  for (const { at, better } of opposite === undefined ? entries : [one, ...entries]) {
    const as = opposite === undefined || better !== one.better ? one : opposite;
    const [reason, detail] =
      opposite === undefined
        ? ['duplicate', `as ${nameOf(as.at)}`]
        : ['preferred the other way round elsewhere', nameOf(as.at)];
    await log.add({ id: nameOf(at), kind: 'dropped', reason, detail });
  }
  return opposite === undefined;
}

function nameOf({ file, row }: RowOrigin): string {
  return `${file} row ${row}`;
}
