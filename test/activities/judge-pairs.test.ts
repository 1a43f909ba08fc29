import assert from 'node:assert/strict';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { completeStage } from '../../src/activities/complete-stage.ts';
import type { ArtifactReference } from '../../src/store/artifact.ts';
import { scriptedText, type Behaviour, type ChatBody } from '../support/scripted-endpoint.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';
import type { Judgment } from '../../src/runs/records.ts';

const SAMPLES = 5;
const pairs = Array.from({ length: 6 }, (_, index) => ({
  id: `pair-${index}`,
  instruction: `Question ${index}?`,
  better: `better ${index}`,
  worse: `worse ${index}`,
  similarInstruction: 'not shown',
}));

/** The judgment that a request's seed and messages lead to. */
function judgmentText(body: ChatBody, sample: number): string {
  const text = scriptedText(body.model, body.messages, (body.seed ?? 0) + sample);
  const verdict = ['[[A]]', '[[B]]', '[[C]]', 'undecided'][Number.parseInt(text.slice(0, 2), 16) % 4];
  return `${text} ${verdict}`;
}
function judging(body: ChatBody, choices = body.n ?? 1): Behaviour {
  return {
    kind: 'answer',
    texts: Array.from({ length: choices }, (_, sample) => judgmentText(body, sample)),
  };
}
const refused: Behaviour = {
  kind: 'status',
  status: 400,
  error: { message: 'too long', code: 'context_length_exceeded' },
};
const keyRefused: Behaviour = { kind: 'status', status: 401 };

describe('judging pairs', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(
    judge?: { user: string },
    changes: Pick<ConfigurationInput, 'judging' | 'filtering' | 'pairs'> = {},
  ) {
    const testRun = await startTestRun(
      {
        judging: { samples: SAMPLES },
        inference: { concurrentRequestsPerShard: 2, maxSkippedShare: 0.2 },
        ...changes,
      },
      judge === undefined ? {} : { judge },
    );
    runs.push(testRun);
    const { deps, run, model, endpoint } = testRun;
    endpoint.script(({ body }) => judging(body));
    const input = await testRun.publish('test/pairs', pairs, 10);
    return {
      ...testRun,
      judge: (iteration = 1) =>
        asActivity(() => judgePairs(deps, { run, iteration, model, input, shard: 0 })),
      folder: (iteration = 1) => deps.store.locate(`test/iteration-${iteration}/judgments/shard-00000`),
      async filter(iteration: number) {
        const stage = { run, stage: 'judgePairs', iteration, shards: 1 } as const;
        const { artifact } = await asActivity(() => completeStage(deps, stage));
        return asActivity(() =>
          filterJudgments(deps, {
            run,
            iteration,
            pairs: input,
            judgments: artifact satisfies ArtifactReference,
          }),
        );
      },
      async judgments(iteration = 1): Promise<Judgment[]> {
        const stage = { run, stage: 'judgePairs', iteration, shards: 1 } as const;
        const { artifact } = await asActivity(() => completeStage(deps, stage));
        return testRun.behind<Judgment>(artifact satisfies ArtifactReference);
      },
    };
  }
  const bytesOf = (folder: string) => readFile(join(folder, 'records.jsonl'), 'utf8');

  async function undisturbed(): Promise<string> {
    const run = await start();
    await run.judge();
    assert.equal(run.endpoint.requests.length, pairs.length * 2);
    return bytesOf(run.folder());
  }

  it('judges another part of the pairs in each iteration, and all of them after the last one', async () => {
    const run = await start(undefined, {
      pairs: { parts: 2 },
      filtering: { minExamples: 1, balance: false },
    });
    const parts = [];
    for (const iteration of [1, 2, 3]) {
      await run.judge(iteration);
      const judgments = await run.judgments(iteration);
      assert(judgments.length > 0);
      parts.push(new Set(judgments.map(({ pairId }) => pairId)));
      const { counts } = await run.filter(iteration);
      // Pairs of the other part are no examples without a judgment.
      assert.equal(counts['examples'], 2 * (parts.at(-1)?.size ?? 0));
    }
    const [first = new Set(), second = new Set(), third] = parts;
    assert.deepEqual(
      [...first, ...second].sort(),
      pairs.map(({ id }) => id),
    );
    assert.equal(first.size + second.size, pairs.length);
    assert.deepEqual(third, first);
  });

  it('samples N judgments of every pair in both orders, and marks the correct ones', async () => {
    const run = await start();
    const { counts } = await run.judge();
    const judgments = await run.judgments();
    assert.equal(judgments.length, pairs.length * 2 * SAMPLES);
    for (const { id, pairId, order, sample, text, verdict, correct: right } of judgments) {
      assert.equal(id, `${pairId}/${order}/000${sample}`);
      const said = /\[\[([ABC])\]\]/.exec(text)?.[1];
      assert.equal(verdict, said === 'C' ? 'tie' : (said ?? 'none'));
      assert.equal(right, said === (order === 'better-first' ? 'A' : 'B'));
    }
    assert.equal(counts['correctJudgments'], judgments.filter(({ correct }) => correct).length);
    assert.equal(counts['ties'], judgments.filter(({ verdict }) => verdict === 'tie').length);
    assert.equal(counts['completionTokens'], judgments.length);
    assert.equal(counts['requests'], run.endpoint.requests.length);
  });

  it('shows the better response first in one order and second in the other, and does not reveal which is better', async () => {
    const run = await start({ user: '{instruction}|{responseA}|{responseB}|{betterSide}{order}{id}{worse}' });
    await run.judge();
    const shown = run.endpoint.requests.map(({ body }) => body.messages.map(({ content }) => content).join());
    const rest = '{betterSide}{order}{id}{worse}';
    assert.deepEqual(
      shown.sort(),
      pairs
        .flatMap((_, index) => [
          `Question ${index}?|better ${index}|worse ${index}|${rest}`,
          `Question ${index}?|worse ${index}|better ${index}|${rest}`,
        ])
        .sort(),
    );
  });

  it('gives every sample an own seed, and different seeds in another iteration', async () => {
    const run = await start();
    await run.judge(1);
    await run.judge(2);
    const seeds = run.endpoint.requests.map(({ body }) => body.seed ?? 0);
    const ofSamples = seeds.flatMap((seed) => Array.from({ length: SAMPLES }, (_, sample) => seed + sample));
    assert.equal(new Set(ofSamples).size, pairs.length * 2 * SAMPLES * 2);
  });

  it('has the same bytes from a server that returns one sample per request as from one that returns all at once', async () => {
    const run = await start();
    run.endpoint.script(({ body }) => judging(body, 1));
    await run.judge();
    assert.equal(run.endpoint.requests.length, pairs.length * 2 * SAMPLES);
    assert.equal(await bytesOf(run.folder()), await undisturbed());
  });

  it('has the same bytes after a crash in the middle of an example as without one', async () => {
    const run = await start();
    run.endpoint.script(({ body, index }) => (index < 5 ? judging(body) : keyRefused));
    await assert.rejects(run.judge(), { name: 'AuthenticationFailed' });
    const work = `${run.folder()}.journal`;
    const [segment = ''] = (await readdir(work)).filter((name) => name.startsWith('segment-'));
    // Of 25 judgments on disk the crash leaves 17 and a torn one: three whole examples and two samples of another.
    const lines = (await readFile(join(work, segment), 'utf8')).split('\n');
    assert.equal(lines.length, 5 * SAMPLES + 1);
    await truncate(join(work, segment), Buffer.byteLength(lines.slice(0, 17).join('\n')) + 40);

    run.endpoint.script(({ body }) => judging(body));
    const before = run.endpoint.requests.length;
    await run.judge();
    const asked = run.endpoint.requests.slice(before).map(({ body }) => body.n ?? 1);
    assert.equal(
      asked.reduce((sum, count) => sum + count, 0),
      pairs.length * 2 * SAMPLES - 17,
    );
    assert(asked.includes(3));
    assert.equal(await bytesOf(run.folder()), await undisturbed());
  });

  it('skips an example that the endpoint rejects, and keeps the others', async () => {
    const run = await start();
    run.endpoint.script(({ body }) =>
      body.messages[0]?.content.startsWith('Question 3? (A) better') === true ? refused : judging(body),
    );
    const { counts } = await run.judge();
    assert.equal(counts['failed: context-length'], 1);
    assert.equal(counts['judgments'], (pairs.length * 2 - 1) * SAMPLES);
  });

  it('counts a truncated judgment as incorrect, even if it names the better response', async () => {
    const run = await start();
    run.endpoint.script(({ body }) => ({ ...judging(body), kind: 'answer', finishReason: 'length' }));
    const { counts } = await run.judge();
    assert.equal(counts['correctJudgments'], 0);
  });

  it('is not repeated for the same judge, and is rejected for another one', async () => {
    const run = await start();
    await run.judge();
    const asked = run.endpoint.requests.length;
    await run.judge();
    assert.equal(run.endpoint.requests.length, asked);
    Object.assign(run.model, { sha256: 'hash of another judge' });
    await assert.rejects(run.judge(), { name: 'FingerprintMismatch', fields: ['model'] });
  });

  describe('until the first correct judgment', () => {
    const untilCorrect = (also?: 'incorrect') => ({
      judging: {
        samples: 8,
        strategy: { kind: 'until-correct', initialBatchSize: 2, ...(also ? { also } : {}) } as const,
      },
    });
    const waves = [2, 6, 8];
    const wrongFirst = (body: ChatBody): Behaviour => {
      const [verdict, other] = body.messages[0]?.content.includes('(A) better') ? ['A', 'B'] : ['B', 'A'];
      // Sample 4 is the first correct one: in the second batch, which ends at sample 6.
      return {
        kind: 'answer',
        texts: Array.from({ length: body.n ?? 1 }, (_, index) =>
          seedOffset(body) + index >= 4 ? `so [[${verdict}]]` : `so [[${other}]]`,
        ),
      };
    };
    /** The index of a request's first sample: example seeds are known from each example's first request. */
    const firstSeeds = new Map<string, number>();
    function seedOffset({ messages, seed = 0 }: ChatBody): number {
      const prompt = messages.map(({ content }) => content).join();
      const first = Math.min(firstSeeds.get(prompt) ?? seed, seed);
      firstSeeds.set(prompt, first);
      return seed - first;
    }
    beforeEach(() => firstSeeds.clear());

    it('samples batches that double in size, and ends with the batch that has a correct judgment', async () => {
      const run = await start(undefined, untilCorrect());
      const { counts } = await run.judge();
      const judgments = await run.judgments();
      for (const [exampleId, ofExample] of Map.groupBy(judgments, ({ id }) => id.slice(0, -5))) {
        const firstRight = ofExample.find(({ correct: right }) => right)?.sample ?? Infinity;
        const end = waves.find((bound) => bound > firstRight) ?? 8;
        assert.deepEqual(
          ofExample.map(({ sample }) => sample),
          Array.from({ length: end }, (_, sample) => sample),
          exampleId,
        );
      }
      assert(judgments.length < pairs.length * 2 * 8);
      assert.equal(counts['completionTokens'], judgments.length);
    });

    it('goes on behind a correct guess if judgments need reasoning', async () => {
      // Correct from the beginning, with reasoning from sample 4 on.
      const guessesFirst = (body: ChatBody): Behaviour => {
        const verdict = body.messages[0]?.content.includes('(A) better') ? 'A' : 'B';
        return {
          kind: 'answer',
          texts: Array.from({ length: body.n ?? 1 }, (_, index) =>
            seedOffset(body) + index >= 4 ? `one two three four five [[${verdict}]]` : `so [[${verdict}]]`,
          ),
        };
      };
      const samplesOf = async (filtering: NonNullable<ConfigurationInput['filtering']>) => {
        firstSeeds.clear();
        const run = await start(undefined, { ...untilCorrect(), filtering });
        run.endpoint.script(({ body }) => guessesFirst(body));
        await run.judge();
        const byExample = Map.groupBy(await run.judgments(), ({ id }) => id.slice(0, -5));
        return [...new Set([...byExample.values()].map((all) => all.length))];
      };
      assert.deepEqual(await samplesOf({}), [2]);
      assert.deepEqual(await samplesOf({ minReasoning: 5 }), [6]);
      assert.deepEqual(await samplesOf({ minReasoning: 6 }), [8]);
    });

    it('draws the same samples as among all N', async () => {
      const run = await start(undefined, untilCorrect());
      await run.judge();
      const all = await start(undefined, { judging: { samples: 8 } });
      await all.judge();
      const texts = new Map((await all.judgments()).map(({ id, text }) => [id, text]));
      for (const { id, text } of await run.judgments()) assert.equal(text, texts.get(id));
    });

    it('continues until it has as many correct judgments as are kept, and an incorrect one if requested', async () => {
      const several = await start(undefined, { ...untilCorrect(), filtering: { judgmentsPerExample: 2 } });
      await several.judge();
      const one = await start(undefined, untilCorrect('incorrect'));
      one.endpoint.script(({ body }) => ({
        kind: 'answer',
        texts: Array(body.n ?? 1).fill('so [[A]]') as string[],
      }));
      const { counts } = await one.judge();
      // Always A: a better-first example never has an incorrect judgment, a worse-first one never a correct one.
      assert.equal(counts['judgments'], pairs.length * 2 * 8);
      const rights = Map.groupBy(await several.judgments(), ({ id }) => id.slice(0, -5));
      for (const ofExample of rights.values()) {
        const right = ofExample.filter((judgment) => judgment.correct).length;
        assert(right >= 2 || ofExample.length === 8);
      }
    });

    it('completes a batch that a crash interrupted, and has the same bytes in the end', async () => {
      const run = await start(undefined, untilCorrect());
      run.endpoint.script(({ body }) => wrongFirst(body));
      await run.judge();
      const undisturbedBytes = await bytesOf(run.folder());
      assert.equal(run.endpoint.requests.length, pairs.length * 2 * 2);

      const killed = await start(undefined, untilCorrect());
      firstSeeds.clear();
      killed.endpoint.script(({ body, index }) => (index < 6 ? wrongFirst(body) : keyRefused));
      await assert.rejects(killed.judge(), { name: 'AuthenticationFailed' });
      const work = `${killed.folder()}.journal`;
      const [segment = ''] = (await readdir(work)).filter((name) => name.startsWith('segment-'));
      const lines = (await readFile(join(work, segment), 'utf8')).trim().split('\n');
      const samples = lines.map((line) => JSON.parse(line) as Judgment);
      // The crash keeps sample 4 of one example, the first correct one, and loses 3 and 5 of the same batch.
      const cut = samples.findIndex(({ sample }) => sample === 4);
      assert(cut > 0);
      const kept = lines.filter((_, index) => ![cut - 1, cut + 1].includes(index));
      await writeFile(join(work, segment), kept.map((line) => `${line}\n`).join(''));

      killed.endpoint.script(({ body }) => wrongFirst(body));
      const before = killed.endpoint.requests.length;
      await killed.judge();
      const asked = killed.endpoint.requests.slice(before).map(({ body }) => body);
      const ofCut = asked.filter(({ n }) => n === undefined).map((body) => seedOffset(body));
      assert(ofCut.includes(3) && ofCut.includes(5), `asked for ${ofCut.join()}`);
      assert.equal(await bytesOf(killed.folder()), undisturbedBytes);
    });
  });
});
