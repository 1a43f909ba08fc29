import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PairsJudgingFigures } from '../../src/api/pairs-judging-result.ts';
import { resolveVoting } from '../../src/method/voting.ts';
import { RequestRejected } from '../../src/models/inference/errors.ts';
import type { AskJudge } from '../../src/pair-judging/vote.ts';
import { pairsFileTask } from '../../src/pair-judging/judge-shard.ts';
import type { JudgedPair } from '../../src/pair-judging/judged-pair.ts';
import {
  countRows,
  type FileJudgingJob,
  type FileJudgingProgress,
  runFileJudging,
} from '../../src/pair-judging/run-file-judging.ts';
import { correctJudgment, sampleJudge } from '../support/sample-judge.ts';

const judgeFile = sampleJudge();
const task = pairsFileTask({ judge: judgeFile, voting: resolveVoting(judgeFile, {}), seed: 1 });

/** More than two shards. */
const PAIRS = 1201;

describe('runFileJudging', function () {
  this.timeout(60_000);
  let folder: string;
  let pairs: string;
  let out: string;
  /** The prompts that were sent. */
  let prompts: string[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pairs-judging-'));
    pairs = join(folder, 'pairs.jsonl');
    const rows = Array.from({ length: PAIRS }, (_, row) => ({
      instruction: `é\u2028😀 ${row}?`,
      responseA: `it is ${row % 7}`,
      responseB: `it is ${row % 5}`,
    }));
    await writeFile(pairs, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  });
  beforeEach(async () => {
    out = join(await mkdtemp(join(folder, 'out-')), 'verdicts.jsonl');
    prompts = [];
  });
  after(() => rm(folder, { recursive: true }));

  /** @param refuses decides which of the prompts the endpoint refuses */
  const answering =
    (refuses: (prompt: string) => boolean = () => false): AskJudge =>
    async ({ messages, samples }) => {
      const prompt = messages.at(-1)?.content ?? '';
      prompts.push(prompt);
      await Promise.resolve();
      if (refuses(prompt))
        throw new RequestRejected('too long', { endpoint: 'http://judge', reason: 'context-length' });
      const choice = { text: correctJudgment(prompt), finishReason: 'stop' as const };
      return {
        choices: Array.from({ length: samples }, () => choice),
        usage: { promptTokens: 10, completionTokens: 2 },
      };
    };
  async function judge(
    changes: Partial<FileJudgingJob<PairsJudgingFigures>> = {},
    ask: AskJudge = answering(),
  ) {
    const progress: FileJudgingProgress[] = [];
    const outcome = await runFileJudging(
      {
        file: pairs,
        out,
        task,
        fingerprint: { votes: 1 },
        startJudge: () => Promise.resolve(ask),
        concurrency: 8,
        maxRefusedShare: 0.05,
        signal: new AbortController().signal,
        onProgress: (now) => progress.push(now),
        onWait: () => undefined,
        ...changes,
      },
      (await countRows(changes.file ?? pairs, task)).rows,
    );
    return { ...outcome, progress };
  }
  const verdicts = async () =>
    (await readFile(out, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as JudgedPair);

  it('writes a verdict for each row in their order, and reports progress up to the last pair', async () => {
    const { figures, progress } = await judge();
    assert.deepEqual([figures.pairs, figures.requests, figures.tokens.prompt], [PAIRS, PAIRS, 10 * PAIRS]);
    assert.deepEqual(
      (await verdicts()).map(({ row, id }) => [row, id]),
      Array.from({ length: PAIRS }, (_, row) => [row, `${row}`]),
    );
    const { done, total, judgments } = progress.at(-1) ?? {};
    assert.deepEqual([done, total, judgments], [PAIRS, PAIRS, PAIRS]);
    assert(!existsSync(`${out}.journal`));
  });

  it('counts pairs with the same prompt by their effective number in the interval of the accuracy', async () => {
    const sharing = join(folder, 'sharing.jsonl');
    const rows = Array.from({ length: 60 }, (_, row) => ({
      instruction: `prompt ${Math.floor(row / 6)}`,
      responseA: `it is ${row}`,
      responseB: 'it is 0',
      label: 'A',
    }));
    await writeFile(
      sharing,
      rows
        .slice(1)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
    const { figures } = await judge({ file: sharing });
    const { low = NaN, high } = figures.accuracyInterval ?? {};
    assert.equal(figures.accuracy, 1);
    // 59 independent pairs would have 0.94 to 1.
    assert(low > 0.69 && low < 0.73 && high === 1, String(low));
  });

  it('continues after an interruption with no request sent twice, and ends with the same file', async () => {
    await judge();
    const expected = await readFile(out);
    await rm(out);
    for (const stopAfter of [300, 700]) {
      const stopping = new AbortController();
      prompts = [];
      const interrupted = judge(
        {
          signal: stopping.signal,
          onProgress: ({ judgments }) => {
            if (judgments >= stopAfter) stopping.abort(new Error('interrupted'));
          },
        },
        answering(),
      );
      await assert.rejects(interrupted, { message: 'interrupted' });
      assert(!existsSync(out));
    }
    const sentBefore = prompts.length;
    prompts = [];
    const { progress } = await judge();
    assert(prompts.length < PAIRS - 300 - sentBefore + 64, `${prompts.length} requests after ${sentBefore}`);
    assert.equal(new Set(prompts).size, prompts.length);
    assert.equal(progress.at(-1)?.done, PAIRS);
    assert.deepEqual(await readFile(out), expected);
  });

  it('asks nothing when all verdicts are written, and does not start the judge', async () => {
    await judge();
    const startJudge = () => Promise.reject(new Error('started'));
    assert.equal((await judge({ startJudge })).figures.pairs, PAIRS);
  });

  it('asks again about the refused pairs alone if too many were refused, and keeps the other verdicts', async () => {
    const refuses = (prompt: string) => /[05]\?/.test(prompt);
    const first = await judge({ maxRefusedShare: 0.01 }, answering(refuses)).catch((error: unknown) => error);
    assert(first instanceof Error && first.name === 'TooManyRefused', String(first));
    assert.match(
      first.message,
      /refused more than 20 of (500|201) pairs, the last one row \d*[05] with: too long/,
    );
    const allowed = await judge({ maxRefusedShare: 0.3 }, answering(refuses));
    assert.equal(allowed.figures.failed, 241);
    assert.equal(allowed.refused, undefined);
    prompts = [];
    const again = await judge({ maxRefusedShare: 0.05 });
    assert.equal(prompts.length, 241);
    assert(prompts.every(refuses));
    assert.equal(again.figures.failed, 0);
    assert.deepEqual(
      (await verdicts()).map(({ row }) => row),
      Array.from({ length: PAIRS }, (_, row) => row),
    );
  });

  it('names the first refused pair if all were judged and more were refused than allowed', async () => {
    const refuses = (prompt: string) => / (7|9)\?/.test(prompt);
    const { figures, refused } = await judge({ maxRefusedShare: 0.001 }, answering(refuses));
    assert.deepEqual([figures.failed, refused], [2, { count: 2, row: 7, detail: 'too long' }]);
  });

  it('refuses an output that holds another judging, that it did not write, or that was changed', async () => {
    await judge();
    await assert.rejects(judge({ fingerprint: { votes: 5 } }), {
      name: 'VerdictFileMismatch',
      message:
        /verdicts\.jsonl contains the verdicts of another judging \(votes was 1, now 5\): name another file with --out/,
    });
    await writeFile(out, (await readFile(out, 'utf8')).split('\n').slice(0, 3).join('\n'));
    await assert.rejects(judge(), {
      name: 'VerdictFileMismatch',
      message: /has verdicts on 3 of 1201 pairs/,
    });
    out = join(folder, 'notes.txt');
    await writeFile(out, 'mine');
    await assert.rejects(judge(), /notes\.txt exists, but probably has no verdicts/);
    assert.equal(await readFile(out, 'utf8'), 'mine');
  });
});
