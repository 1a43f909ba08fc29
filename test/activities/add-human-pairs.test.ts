import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addHumanPairs } from '../../src/activities/add-human-pairs.ts';
import { completeStage } from '../../src/activities/complete-stage.ts';
import { filterJudgments } from '../../src/activities/filter-judgments.ts';
import { judgePairs } from '../../src/activities/judge-pairs.ts';
import type { ArtifactReference } from '../../src/store/artifact.ts';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import type { ResponsePair } from '../../src/method/examples.ts';
import type { FilterStatistics } from '../../src/method/filter-statistics.ts';
import { asActivity, startTestRun, type TestRun } from '../support/test-run.ts';

const generated = Array.from({ length: 12 }, (_, index) => ({
  id: `pair-${String(index).padStart(2, '0')}`,
  instruction: `Generated ${index}?`,
  better: 'better',
  worse: 'worse',
}));
const human = Array.from({ length: 6 }, (_, index) => ({
  prompt: `Human ${index}?`,
  chosen: 'better',
  rejected: 'worse',
}));

describe('adding human pairs', () => {
  const runs: TestRun[] = [];
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.close();
  });

  async function start(
    filtering: NonNullable<ConfigurationInput['filtering']>,
    rows: readonly unknown[] = human,
  ): Promise<TestRun & { add: () => ReturnType<typeof addHumanPairs>; pairs: ArtifactReference }> {
    const testRun = await startTestRun({
      filtering: { minExamples: 1, ...filtering },
      instructions: { pool: ['pool.jsonl'], shardSize: 5 },
      judging: { samples: 2 },
    });
    runs.push(testRun);
    await writeFile(join(testRun.folder, 'human.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
    const pairs = await testRun.publish('test/pairs', generated, 5);
    const { deps, run } = testRun;
    return {
      ...testRun,
      pairs,
      add: () => asActivity(() => addHumanPairs(deps, { run, pairs, benchmarks: [] })),
    };
  }
  const source = (changes: object = {}) => ({ name: 'people', path: 'human.jsonl', ...changes });

  it('adds them to the generated ones, as shards of the same pair set', async () => {
    const run = await start({ humanData: [source()] });
    const { artifact, counts } = await run.add();
    const all = await run.behind<ResponsePair>(artifact);
    assert.deepEqual(all.slice(0, generated.length), generated);
    const people = all.slice(generated.length);
    assert.deepEqual(
      people.map(({ instruction }) => instruction).sort(),
      human.map(({ prompt }) => prompt),
    );
    assert(people.every(({ source: from, id }) => from === 'people' && id.startsWith('people-')));
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
    assert.equal(artifact.records, 3 + 2);
    assert.deepEqual(counts, { humanPairs: 6 });
    assert.deepEqual((await run.add()).artifact, artifact);
  });

  it('judges them like any pair, and mixes the kept examples by weight', async () => {
    const run = await start({ humanData: [source({ weight: 0.25 })] });
    const { deps, model } = run;
    // Right in half of the samples, in both orders.
    run.endpoint.script(({ body }) => ({
      kind: 'answer',
      texts: Array.from({ length: body.n ?? 1 }, (_, sample) => `so [[${'AB'[sample % 2]}]]`),
    }));
    const { artifact: input } = await run.add();
    for (let shard = 0; shard < input.records; shard += 1)
      await asActivity(() => judgePairs(deps, { run: run.run, iteration: 1, model, input, shard }));
    const judged = { run: run.run, stage: 'judgePairs', iteration: 1, shards: input.records } as const;
    const { artifact: judgments } = await asActivity(() => completeStage(deps, judged));
    const filtered = await asActivity(() =>
      filterJudgments(deps, { run: run.run, iteration: 1, pairs: input, judgments }),
    );
    const manifest = await deps.store.readManifest(filtered.artifact.uri);
    assert(manifest !== undefined);
    const { sources, sides, steps } = manifest.summary as FilterStatistics;
    assert.deepEqual(sources, { generated: 24, people: 6 });
    assert.deepEqual(sides, { A: 15, B: 15 });
    assert.deepEqual(steps.at(-1), { step: 'after mixing', examples: 30, judgments: 30 });
    assert.equal(filtered.counts['trainingExamples'], 30);
  });

  it('omits the generated pairs if their weight is 0', async () => {
    const run = await start({ humanData: [source()], generatedWeight: 0 });
    const all = await run.behind<ResponsePair>((await run.add()).artifact);
    assert.equal(all.length, human.length);
  });

  it('skips unusable rows by reason, and fails with the name of the file if there are too many', async () => {
    const equal = { prompt: '?', chosen: 'same', rejected: 'same' };
    const run = await start({ humanData: [source()] }, [...human, equal, human[0]]);
    assert.deepEqual((await run.add()).counts, {
      humanPairs: 6,
      'dropped: equal responses': 1,
      'dropped: duplicate': 1,
    });
    const damaged = await start({ humanData: [source()] }, [...human, { prompt: '?' }]);
    await assert.rejects(damaged.add(), {
      name: 'TooManySkipped',
      message:
        /^1 of 7 rows of filtering\.humanData\.0 can't be used, .*no field "chosen" \(1 row, the first: human\.jsonl row 6\)/,
    });
    const none = await start({ humanData: [source()] }, [equal]);
    await assert.rejects(none.add(), {
      name: 'InvalidInput',
      message:
        /^filtering\.humanData\.0: no usable pair in .*human\.jsonl: 1 row, skipped: equal responses 1/,
    });
  });
});
