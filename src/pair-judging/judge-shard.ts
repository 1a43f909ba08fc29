/** Judges a shard of pairs: its units, how each is judged, and the resulting lines of the verdict file. */
import type { PairsJudgingFigures } from '../api/pairs-judging-result.ts';
import type { StageName } from '../api/stages.ts';
import type { ArtifactReference, Counts, Fingerprint } from '../store/artifact.ts';
import type { ArtifactStore } from '../store/artifact-store.ts';
import { SKIPPED_FILE, type SkippedRecord } from '../store/shard-types.ts';
import { requestedOrders } from '../method/pair-comparison.ts';
import { directFingerprintInputs, judgeFingerprintInputs } from './fingerprint-inputs.ts';
import { judgePair, type PairJudge, verdictOfVotes } from './judge-pair.ts';
import { type JudgedPair, toFailedPair, toJudgedPair } from './judged-pair.ts';
import { type FileTask, type FileUnit, unitId } from './file-task.ts';
import { JudgingFiguresCounter } from './judging-figures.ts';
import { type FilePair, readFilePairs } from './read-file-pairs.ts';
import type { AskJudge, Vote } from './vote.ts';

/** A pair of a file as it is stored in a shard. */
export interface IndexedFilePair extends FileUnit {
  readonly pair: FilePair;
}

export function indexFilePair(row: number, pair: FilePair): IndexedFilePair {
  return { id: unitId(row), row, pair };
}

/** The functions with which judging extends a resumable shard. */
interface PairsShardTask {
  readonly fingerprintInputs: Fingerprint;
  readonly assembleResults: (unit: IndexedFilePair, votes: readonly Vote[]) => readonly JudgedPair[];
  readonly countResults: (judged: readonly JudgedPair[]) => Counts;
  /** Requests the missing votes on a pair. */
  readonly work: (
    unit: IndexedFilePair,
    existing: readonly Vote[],
    emit: (vote: Vote) => void,
    ask: AskJudge,
  ) => Promise<void>;
}

export function pairsShardTask(judging: PairJudge): PairsShardTask {
  const { judge, voting, direct } = judging;
  return {
    fingerprintInputs: {
      stage: 'compareResponses' satisfies StageName,
      ...judgeFingerprintInputs(judge),
      votes: voting.votes,
      orders: voting.orders,
      sampling: { ...voting.sampling },
      ...directFingerprintInputs(direct),
    },
    work: (unit, existing, emit, ask) =>
      judgePair(judging, unit, existing, emit, ask, async (orders, work) => {
        for (const order of orders) await work(order);
      }),
    assembleResults: ({ id, row, pair }, votes) => [
      { ...toJudgedPair({ row, id: pair.id, label: pair.label }, verdictOfVotes(judging, votes)), id },
    ],
    countResults: (judged) => ({
      pairs: judged.length,
      judgments: judged.flatMap(({ orders }) => orders.flatMap(({ judgments }) => judgments)).length,
      unparsableJudgments: judged.filter(({ verdict }) => verdict === 'none').length,
    }),
  };
}

/** Judges the pairs of a file. */
export function pairsFileTask(
  judging: PairJudge,
): FileTask<PairsJudgingFigures, IndexedFilePair, Vote, JudgedPair> {
  const { work, assembleResults, countResults } = pairsShardTask(judging);
  return {
    noun: { one: 'pair', many: 'pairs' },
    async *readUnits(file) {
      for await (const { row, pair, problem } of readFilePairs(file))
        yield pair === undefined ? { row, problem } : { row, unit: indexFilePair(row, pair) };
    },
    requestsFor: () => requestedOrders(judging.voting).length,
    work,
    assembleResults,
    countResults,
    lineOf: ({ row, pair }, judged) =>
      'reason' in judged
        ? toFailedPair({ row, id: pair.id, label: pair.label }, judged)
        : { ...judged, id: pair.id },
    createCounter() {
      const counter = new JudgingFiguresCounter();
      return {
        add: (line, unit) => counter.add(line, unit?.pair.instruction ?? line.id),
        get figures() {
          return counter.figures;
        },
      };
    },
  };
}

/**
 * The lines for the pairs of a shard, in the order of their rows. A pair that the endpoint refused has a line without
 * a verdict.
 */
export async function* shardVerdicts(
  store: ArtifactStore,
  units: readonly IndexedFilePair[],
  judged: ArtifactReference,
): AsyncGenerator<JudgedPair> {
  const byId = new Map((await store.readRecords<JudgedPair>(judged)).map((line) => [line.id, line]));
  const skipped = new Map(
    (await store.readLines<SkippedRecord>(judged.uri, SKIPPED_FILE)).map((record) => [record.id, record]),
  );
  for (const { id, row, pair } of units) {
    const line = byId.get(id);
    const { reason = 'unknown', detail = '' } = skipped.get(id) ?? {};
    yield line === undefined
      ? toFailedPair({ row, id: pair.id, label: pair.label }, { reason, detail })
      : { ...line, id: pair.id };
  }
}
